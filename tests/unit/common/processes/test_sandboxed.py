"""What a process in the sandbox can do: compute, read and write where it may, and nothing else."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.common.processes import sandboxed
from include.common.processes.sandboxed import (
    ChildEnded,
    ChildTimedOut,
    LimitedProcess,
    Limits,
    SandboxUnavailable,
    Shown,
)
from include.common.processes.socket_filter import filter_program
from tests.support.waiting import until

PROBE = Path(__file__).parents[3] / "support" / "sandbox_probe"
LIMITS = Limits(memory_bytes=256 * 1024 * 1024, processor_s=30)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[LimitedProcess]:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "report").write_text("contents")
    shown = [Shown(tmp_path / "in", "/in"), Shown(tmp_path / "out", "/out", writable=True)]
    with LimitedProcess("probe.probe:main", {"probe": PROBE}, shown, LIMITS) as started:
        yield started


def attempt(process: LimitedProcess, what: str, at: object = None) -> dict:
    process.ask({"try": what, "at": at})
    return process.next_line(20)


def test_it_reads_what_it_is_shown_and_writes_where_it_may(process: LimitedProcess, tmp_path: Path) -> None:
    assert attempt(process, "read", "/in/report") == {"got": "contents"}
    assert attempt(process, "write", "/out/x") == {"got": "1"}
    assert (tmp_path / "out" / "x").read_text() == "x"
    assert "refused" in attempt(process, "write", "/in/report")


def test_its_environment_is_empty(process: LimitedProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempt(process, "environment") == {"got": {}}


def test_our_secrets_in_the_environment_do_not_reach_even_the_sandbox_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MONGO_IMPORT", "mongodb://secret")
    with LimitedProcess("probe.probe:main", {"probe": PROBE}, [], LIMITS) as process:
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        assert b"secret" not in environment


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/hosts",
        "/proc/self/environ",
        "/proc/1/environ",
        str(Path.home() / ".ssh" / "id_rsa"),
        "/var/run/docker.sock",
        "/dev/mem",
        "/run/x",
    ],
)
def test_files_of_the_machine_are_not_there(process: LimitedProcess, path: str) -> None:
    assert "refused" in attempt(process, "read", path)
    assert "refused" in attempt(process, "list", str(Path(path).parent))


def test_it_sees_only_folders_of_ours_and_of_python(process: LimitedProcess) -> None:
    seen = set(attempt(process, "list", "/")["got"])
    assert seen <= {"in", "out", "packages", "usr", "lib", "lib64", Path(sandboxed.sys.base_prefix).parts[1]}
    assert set(attempt(process, "list", "/usr")["got"]) <= {"lib", "lib64", "local", "bin"}
    assert "refused" in attempt(process, "list", str(Path(__file__).parent))


def test_nothing_outside_its_folder_can_be_written(process: LimitedProcess) -> None:
    for path in ("/x", "/packages/x", "/packages/probe/probe.py", "/tmp/x", "/usr/lib/x"):
        assert "refused" in attempt(process, "write", path)


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_VSOCK"])
def test_it_cannot_make_a_socket_of_any_kind(process: LimitedProcess, family: str) -> None:
    assert attempt(process, "socket", family)["refused"] == "PermissionError"


def test_it_cannot_make_one_by_the_bare_system_call_or_in_pairs(process: LimitedProcess) -> None:
    assert attempt(process, "raw_socket")["got"] == -1  # EPERM
    assert attempt(process, "socket_pair")["refused"] == "PermissionError"


@pytest.mark.enable_socket
def test_a_connection_to_a_listening_port_of_ours_never_arrives(process: LimitedProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        command = [
            sandboxed.sys.executable,
            "-c",
            f"import socket; socket.create_connection({server.getsockname()})",
        ]
        answer = attempt(process, "start", command)
        assert answer.get("got") != 0
        with pytest.raises(TimeoutError):
            server.accept()


def test_it_is_nobody_and_alone(process: LimitedProcess) -> None:
    uid, gid, pid = attempt(process, "ids")["got"]
    assert (uid, gid) == (65534, 65534)
    assert pid < 10
    assert attempt(process, "kill", os.getpid())["refused"] in ("ProcessLookupError", "PermissionError")


def test_its_memory_is_limited_and_it_survives_asking_for_more(process: LimitedProcess) -> None:
    assert attempt(process, "memory", 300 * 1024 * 1024)["refused"] == "MemoryError"
    assert attempt(process, "limits")["got"] == {
        "RLIMIT_AS": LIMITS.memory_bytes,
        "RLIMIT_CPU": LIMITS.processor_s,
        "RLIMIT_CORE": 0,
    }


@pytest.mark.parametrize("what", ["die", "crash"])
def test_its_death_is_told_as_such(process: LimitedProcess, what: str) -> None:
    with pytest.raises(ChildEnded):
        attempt(process, what)


def test_silence_ends_in_its_death(process: LimitedProcess) -> None:
    process.ask({"try": "hang"})
    with pytest.raises(ChildTimedOut):
        process.next_line(0.2)
    with pytest.raises(ChildEnded):
        process.next_line(5)


def test_what_is_not_json_is_not_believed(process: LimitedProcess) -> None:
    process.ask({"try": "garble"})
    with pytest.raises(ChildEnded):
        process.next_line(5)


def test_it_does_not_outlive_us(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        process = LimitedProcess("probe.probe:main", {"probe": PROBE}, [], LIMITS)
        (tmp_path / "pid").write_text(str(process.pid))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    pid = int((tmp_path / "pid").read_text())
    until(lambda: _has_ended(pid), "the sandbox has ended")


def _has_ended(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().split(")")[1]
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_nothing_starts_without_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandboxed.shutil, "which", lambda name: None)
    with pytest.raises(SandboxUnavailable, match="bwrap is not installed"):
        LimitedProcess("probe.probe:main", {"probe": PROBE}, [])


def test_nothing_starts_where_user_namespaces_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(sandboxed.shutil, "which", lambda name: str(refusing))
    with pytest.raises(SandboxUnavailable, match="No permissions to create new namespace") as refused:
        LimitedProcess("probe.probe:main", {"probe": PROBE}, [])
    assert "user namespaces" in refused.value.hint


def test_an_unknown_machine_has_no_filter_and_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError):
        filter_program("s390x")
    monkeypatch.setattr(sandboxed, "filter_program", lambda: filter_program("s390x"))
    with pytest.raises(SandboxUnavailable, match="s390x"):
        LimitedProcess("probe.probe:main", {"probe": PROBE}, [])
