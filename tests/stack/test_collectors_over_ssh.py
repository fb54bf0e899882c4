"""The collectors over a real sshd and a real rsync: two hosts, their own keys, high ports."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from include.measurements import batch_manifest
from include.measurements.collect.errors import HostRefused, HostUnreachable
from include.measurements.collect.rsync_transport import RsyncTransport, ssh_command
from tests.support.collector_host import CollectorHost
from tests.support.ssh_host import SSHD, ssh_host
from tests.support.waiting import until

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(not Path(SSHD).exists(), reason="openssh-server is not installed"),
]

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CollectorHost, CollectorHost]]:
    base = tmp_path_factory.mktemp("hosts")
    with ssh_host(base / "a", "collector_a") as one, ssh_host(base / "b", "collector_b") as other:
        yield one, other


@pytest.fixture
def hosts(servers: tuple[CollectorHost, CollectorHost]) -> tuple[CollectorHost, CollectorHost]:
    for host in servers:
        shutil.rmtree(host.folder)
        (host.folder / "archive").mkdir(parents=True)
    return servers


def settings(path: Path, *hosts: CollectorHost, **changes: object) -> Path:
    blocks = {
        host.collector.id: {
            "host": host.ssh.host, "port": host.ssh.port, "user": host.ssh.user,
            "key": str(host.ssh.key), "known_hosts": str(host.ssh.known_hosts),
            "directories": ["archive"], "quiet_s": 0, "forget_after_days": 0, **changes,
        }
        for host in hosts
    }  # fmt: skip
    path.write_text(yaml.safe_dump({"version": 1, "collectors": blocks}))
    return path


def sync(folder: Path, *arguments: str) -> tuple[int, list[dict[str, object]]]:
    """`python -m include.measurements.collect sync`: exit code and lines."""
    ended = subprocess.run(
        [sys.executable, "-m", "include.measurements.collect", "sync", "--config", folder / "collectors.yml", "--state",
         folder / "state", "--json", *arguments],
        cwd=REPOSITORY, capture_output=True, check=False, timeout=240,
        env={name: value for name, value in os.environ.items() if not name.startswith("SPOOL_")},
    )  # fmt: skip
    return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()]


def raw(folder: Path, host: CollectorHost) -> list[bytes]:
    found = []
    for text in (folder / "state/raw" / host.collector.id).glob("*.manifest"):
        batch = text.with_suffix("")
        manifest = batch_manifest.parse(text.read_text())
        assert not batch_manifest.compare(batch, manifest)
        found += [(batch / path).read_bytes() for path in manifest]
    return sorted(found)


def test_two_hosts_with_one_file_name_and_different_content(
    hosts: tuple[CollectorHost, CollectorHost], tmp_path: Path
) -> None:
    for host in hosts:
        host.record("2012-01-01T120000Z_AS3.yamloo", host.collector.id.encode())
    settings(tmp_path / "collectors.yml", *hosts)
    code, lines = sync(tmp_path)
    assert (code, [line["files"] for line in lines]) == (0, [1, 1])
    assert [raw(tmp_path, host) for host in hosts] == [[b"collector_a"], [b"collector_b"]]
    assert [host.files() for host in hosts] == [set(), set()]
    code, lines = sync(tmp_path)
    assert (code, [line["files"] for line in lines]) == (0, [0, 0])


def test_one_host_down_fails_alone(hosts: tuple[CollectorHost, CollectorHost], tmp_path: Path) -> None:
    up, down = hosts
    up.record("r", b"1")
    down.record("r", b"2")
    broken = CollectorHost(down.folder, down.shell, down.collector)
    broken.change(port=1)
    settings(tmp_path / "collectors.yml", broken, up)
    code, lines = sync(tmp_path)
    assert code == 3
    assert {line["collector"]: line.get("error") for line in lines} == {
        "collector_a": None,
        "collector_b": "HostUnreachable",
    }
    assert raw(tmp_path, up) == [b"1"]
    assert down.files() == {"archive/r"}


def test_a_key_opens_its_own_host_only(hosts: tuple[CollectorHost, CollectorHost]) -> None:
    one, other = hosts
    stranger = replace(one.ssh, key=other.ssh.key)
    with pytest.raises(HostRefused, match="Permission denied"):
        RsyncTransport("collector_a", stranger).batches()


def test_a_host_with_another_host_key_is_refused(hosts: tuple[CollectorHost, CollectorHost]) -> None:
    one, other = hosts
    moved = replace(one.ssh, port=other.ssh.port, key=other.ssh.key)
    with pytest.raises(HostRefused, match="Host key verification failed"):
        RsyncTransport("collector_a", moved).batches()


def test_no_connection_is_unreachable(hosts: tuple[CollectorHost, CollectorHost]) -> None:
    with pytest.raises(HostUnreachable, match="Connection refused"):
        RsyncTransport("collector_a", replace(hosts[0].ssh, port=1)).batches()


@pytest.mark.parametrize("command", ["", "list; sh"])
def test_the_key_runs_nothing_but_the_gate(hosts: tuple[CollectorHost, CollectorHost], command: str) -> None:
    host = hosts[0].ssh
    ended = subprocess.run(
        [*ssh_command(host), host.host, *([command] if command else [])],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=240,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (64, b"")


def test_file_names_are_never_commands_or_options(hosts: tuple[CollectorHost, CollectorHost], tmp_path: Path) -> None:
    host = hosts[0]
    for name in ("it's a $(touch PWNED) `x`", "--rsh=touch PWNED", "-e touch PWNED", "a b;c&d|e", "*", "\u65e5\u672c"):
        host.record(name, name.encode())
    settings(tmp_path / "collectors.yml", host)
    assert sync(tmp_path)[0] == 0
    assert len(raw(tmp_path, host)) == 6
    assert host.files() == set()
    assert not list(REPOSITORY.glob("PWNED*"))
    assert not list(host.folder.rglob("PWNED*"))


def test_a_file_that_grows_during_the_transfer_is_never_lost(
    hosts: tuple[CollectorHost, CollectorHost], tmp_path: Path
) -> None:
    host = hosts[0]
    path = host.record("growing", b"x" * 20_000_000)
    settings(tmp_path / "collectors.yml", host)
    # The writer began before and goes on: /proc shows it where the gate may look, hashes show it elsewhere.
    with path.open("ab") as writer:
        assert sync(tmp_path)[0] == 0
        assert host.files() == {"archive/growing"}
        writer.write(b"more")
    assert sync(tmp_path)[0] == 0
    assert raw(tmp_path, host) == [b"x" * 20_000_000 + b"more"]


def test_a_thousand_files_arrive_and_a_second_sync_brings_nothing(
    hosts: tuple[CollectorHost, CollectorHost], tmp_path: Path
) -> None:
    host = hosts[0]
    for number in range(1000):
        (host.folder / "archive" / f"{number:05}.yamloo").write_bytes(b"%d" % number)
    settings(tmp_path / "collectors.yml", host, forget_after_days=7)
    code, [line] = sync(tmp_path)
    assert (code, line["files"], line["batches"]) == (0, 1000, 1)
    code, [line] = sync(tmp_path)
    assert (code, line["files"], line["forgotten"]) == (0, 0, 0)
    assert len(host.files()) == 1000


def children_of(process: subprocess.Popen[bytes]) -> set[int]:
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = status.read_text().partition(" (")
            if int(rest.rpartition(") ")[2].split()[1]) == process.pid:
                found.add(int(pid))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_cancelled_sync_leaves_no_process_and_no_file_under_its_final_name(
    hosts: tuple[CollectorHost, CollectorHost], tmp_path: Path, end: signal.Signals
) -> None:
    host = hosts[0]
    host.record("big", os.urandom(1000) * 80_000)
    settings(tmp_path / "collectors.yml", host)
    process = subprocess.Popen(
        [
            sys.executable, "-m", "include.measurements.collect", "sync",
            "--config", tmp_path / "collectors.yml", "--state", tmp_path / "state", "--json",
        ],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("SPOOL_")},
    )  # fmt: skip
    coming = tmp_path / "state/collecting/collector_a"
    until(lambda: list(coming.rglob(".big.*")) or process.poll() is not None, "the file is coming", every_s=0.005)
    assert process.poll() is None, process.communicate()
    children = children_of(process)
    assert children
    process.send_signal(end)
    process.communicate(timeout=240)
    assert process.returncode == (-end if end == signal.SIGKILL else 1)
    until(lambda: not [child for child in children if Path(f"/proc/{child}").exists()], "its children have ended")
    assert not list((tmp_path / "state/raw").rglob("big"))
    assert len(host.files()) == 1
    assert sync(tmp_path)[0] == 0
    assert [len(content) for content in raw(tmp_path, host)] == [80_000_000]
    assert host.files() == set()
