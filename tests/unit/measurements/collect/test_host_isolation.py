"""Three hosts, one of them in trouble: the other two are synced as if they were alone, and the run names the third."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from include.measurements.collect import __main__ as command
from include.measurements.collect.drop_folder import DropFolder
from include.measurements.collect.errors import HostRefused, HostUnreachable
from spool.file_lock import FileLock

HOSTS = ("north", "south", "west")


@dataclass
class Hosts:
    """Each with one batch, dropped in a folder of its own."""

    root: Path
    patch: pytest.MonkeyPatch
    resources: ExitStack = field(default_factory=ExitStack)

    def begin(self) -> None:
        blocks = {}
        for name in HOSTS:
            (self.folder(name) / "b1").mkdir(parents=True)
            (self.folder(name) / "b1/r").write_text(name)
            (self.folder(name) / "b1.ready").touch()
            blocks[name] = {"transport": "drop_folder", "folder": str(self.folder(name)), "forget_after_days": 0}
        (self.root / "collectors.yml").write_text(yaml.safe_dump({"version": 1, "collectors": blocks}))

    def folder(self, name: str) -> Path:
        return self.root / "dropped" / name

    @property
    def state(self) -> Path:
        return self.root / "state"

    def sync(self) -> int:
        options = ["--config", str(self.root / "collectors.yml"), "--state", str(self.state), "--json"]
        return command.main(["sync", *options])

    def fail(self, name: str, error: Exception) -> None:
        """Every request for this host's batches gets the error."""
        batches = DropFolder.batches

        def failing(transport: DropFolder) -> list[str]:
            if transport._folder == self.folder(name):
                raise error
            return batches(transport)

        self.patch.setattr(DropFolder, "batches", failing)


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    monkeypatch.delenv("SPOOL_FOLDER", raising=False)
    three = Hosts(tmp_path, monkeypatch)
    three.begin()
    with three.resources:
        yield three


def without_folder(hosts: Hosts, name: str) -> None:
    shutil.rmtree(hosts.folder(name))


def with_a_file_for_its_folder(hosts: Hosts, name: str) -> None:
    without_folder(hosts, name)
    hosts.folder(name).write_text("no folder")


def with_a_batch_that_differs(hosts: Hosts, name: str) -> None:
    (hosts.folder(name) / "b1.manifest").write_text("0" * 64 + "  r\n")


def with_a_damaged_marker(hosts: Hosts, name: str) -> None:
    (hosts.folder(name) / "b1.manifest").write_bytes(b"\xff no manifest")


def with_another_sync_at_work(hosts: Hosts, name: str) -> None:
    (hosts.state / "collecting" / name).mkdir(parents=True)
    lock = FileLock(hosts.state / "collecting" / name / ".lock")
    assert lock.try_acquire()
    hosts.resources.callback(lock.close)


def with_a_file_where_its_batches_go(state: str) -> Callable[[Hosts, str], None]:
    def spoil(hosts: Hosts, name: str) -> None:
        (hosts.state / state).mkdir(parents=True)
        (hosts.state / state / name).write_text("no folder")

    return spoil


def that_fails(error: Exception) -> Callable[[Hosts, str], None]:
    return lambda hosts, name: hosts.fail(name, error)


TROUBLES = {
    "no folder": without_folder,
    "a file for its folder": with_a_file_for_its_folder,
    "a batch that differs": with_a_batch_that_differs,
    "a damaged marker": with_a_damaged_marker,
    "another sync at work": with_another_sync_at_work,
    "a file in collecting": with_a_file_where_its_batches_go("collecting"),
    "a file in raw": with_a_file_where_its_batches_go("raw"),
    "a file in collected": with_a_file_where_its_batches_go("collected"),
    "unreachable": that_fails(HostUnreachable("no route", hint="wait")),
    "another host key": that_fails(HostRefused("changed", hint="compare")),
    "not permitted": that_fails(PermissionError(13, "Permission denied")),
    "a defect of ours": that_fails(KeyError("x")),
}


@pytest.mark.parametrize("bad", HOSTS)
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_a_host_in_trouble_is_named_and_the_two_others_are_synced(
    hosts: Hosts, bad: str, trouble: Callable[[Hosts, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    trouble(hosts, bad)
    assert hosts.sync() != 0
    rows = {row["collector"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    others = {name for name in HOSTS if name != bad}
    assert rows.keys() == set(HOSTS)
    assert {name for name, row in rows.items() if "error" in row} == {bad}
    assert {(rows[name]["files"], rows[name]["forgotten"]) for name in others} == {(1, 1)}
    assert {name: (hosts.state / "raw" / name / "b1/r").read_text() for name in others} == {n: n for n in others}
