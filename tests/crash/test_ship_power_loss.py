"""
Power loss at every change of the disk while segments are shipped, moved to a successor, or put aside.

Method: as in test_log_power_loss.py, with a store that loses nothing. Afterwards the folder is shipped to its end:
every event that was accepted is in the store once, or in `orphans/`. And what was reported as done stays done.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spool.errors import SpoolError
from spool.log.folder import segment_files
from spool.log.identity import read_identity
from spool.log.shipped import read_shipped
from spool.log.stream_log import StreamLog
from spool.shipping import fork
from spool.shipping.shipped_record import is_orphaned_offset
from spool.shipping.shipper import Shipper
from tests.fakes.memory_store import MemoryStore
from tests.fakes.powered_host import boot
from tests.fakes.simulated_disk import Mode, PoweredOff, SimulatedDisk
from tests.support.series import numbers
from tests.support.spool_host import SpoolHost, values

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("boots")]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder) / "host"


class Host(SpoolHost):
    """A host whose folder is on a disk that loses power."""

    def __init__(self, root: Path, store: MemoryStore) -> None:
        root.mkdir()
        self.disk = SimulatedDisk(root)
        super().__init__(root / "spool", store)

    @property
    def log(self) -> StreamLog:
        if self._log is None:
            self._log = StreamLog.open(self.folder, self.settings.stream("events"), alarms=self.alarms, disk=self.disk)
        return self._log

    def shipper(self) -> Shipper:
        return Shipper(self.folder, self.settings, self.store, self.alarms, disk=self.disk)

    def lose_power(self, mode: Mode, seed: int = 0) -> None:
        if self._log is not None:
            self._log.close()
        self._log = None
        self.disk.lose_power(mode, random.Random(seed))
        boot()


def shipped(host: Host) -> list[str]:
    """Three segments of our own."""
    host.append_segments("a", 3, events=2)
    return [f"a{segment}-{n}" for segment in range(3) for n in range(2)]


def forked(host: Host) -> list[str]:
    """Another folder took our first number; two segments of ours have to move."""
    host.append("both")
    host.log.close()
    twin = SpoolHost(host.folder.with_name("twin"), host.store, host.settings)
    shutil.copytree(host.folder, twin.folder)
    twin.append("theirs")
    twin.ship()
    twin.log.close()
    shutil.rmtree(twin.folder)
    host.append("ours")
    host.append_segments("b", 2, events=2)
    return ["both", "theirs", "ours", "b0-0", "b0-1", "b1-0", "b1-1"]


def orphaned(host: Host) -> list[str]:
    """The first number is below the floor."""
    host.append_segments("a", 1, events=2)
    host.archive.raise_floor(host.name, 1)
    host.append("later")
    return ["a0-0", "a0-1", "later"]


SCENARIOS: dict[str, Callable[[Host], list[str]]] = {"ship": shipped, "fork": forked, "orphan": orphaned}


def ship_to_the_end(host: Host) -> None:
    for _ in range(6):
        host.ship()


def orphans(host: Host) -> list[str]:
    """The events that were put aside; all of them are of one segment here."""
    aside = list(host.folder.glob("events/*/orphans/*.sealed"))
    return ["a0-0", "a0-1"] if aside else []


MODES: tuple[Mode, ...] = ("nothing", "newest", "older", "random", "everything")


@pytest.mark.series
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("mode", MODES)
def test_what_was_accepted_survives_power_loss_at_any_moment(name: str, mode: Mode, root: Path) -> None:
    for number in numbers(MODES.index(mode)):
        host = Host(root, MemoryStore())
        expected = SCENARIOS[name](host)
        host.disk.power_off_at = host.disk.changes + number
        try:
            ship_to_the_end(host)
            is_over = True
        except (PoweredOff, SpoolError):
            is_over = False
        host.lose_power(mode, number)
        host.append("after")
        ship_to_the_end(host)
        kept_aside = orphans(host) if name == "orphan" else []
        stored = [value for value in values(host.store) if value not in kept_aside or value == "after"]
        assert sorted(stored + kept_aside) == sorted([*expected, "after"]), f"off at change {number}"
        assert host.alarms.now.keys() <= {
            (condition, f"events/{path.parent.name}")
            for condition in ("log_forked", "segment_orphaned", "log_suspected_hole")
            for path in host.folder.glob("events/*/log.json")
        }
        if name == "fork":
            # The old files are kept, whatever became of their events.
            kept = {path.name for path in host.folder.glob(f"events/*/{fork.FORKED}/*")}
            assert {"000000000000.sealed", "000000000001.sealed"} <= kept, f"off at change {number}"
        host.log.close()
        shutil.rmtree(root)
        if is_over:
            return


def test_a_move_that_is_over_is_over_after_power_loss(root: Path) -> None:
    host = Host(root, MemoryStore())
    forked(host)
    old = host.log.path
    host.ship()
    moved = sorted(path.name for path in (old / fork.FORKED).iterdir())
    assert len(moved) == 2
    host.lose_power("nothing")
    assert not (old / "fork.json").exists()
    assert sorted(path.name for path in (old / fork.FORKED).iterdir()) == moved
    assert [file.state for file in segment_files(old)] == ["open"]


def test_what_was_put_aside_stays_aside_after_power_loss(root: Path) -> None:
    host = Host(root, MemoryStore())
    orphaned(host)
    old = host.log.path
    host.ship()
    host.lose_power("nothing")
    assert [path.name for path in (old / "orphans").iterdir()] == ["000000000000-0-2.sealed"]
    assert is_orphaned_offset(old, 0)
    assert not (old / "000000000000.sealed").exists()
    assert read_shipped(old).segment >= 0


@pytest.mark.parametrize("mode", ["nothing", "newest", "older"])
def test_what_waiters_were_answered_is_still_recorded_after_power_loss(root: Path, mode: Mode) -> None:
    host = Host(root, MemoryStore())
    shipped(host)
    host.ship()
    path = host.log.path
    host.lose_power(mode)
    assert read_shipped(path) == (2, 6)


@pytest.mark.series
def test_a_successor_is_named_only_when_it_is_there(root: Path) -> None:
    """Whatever of a move survives, the log that log.json names can be opened."""
    for number in numbers():
        host = Host(root, MemoryStore())
        forked(host)
        old = host.log.path
        host.disk.power_off_at = host.disk.changes + number
        try:
            host.ship()
            return
        except (PoweredOff, SpoolError):
            host.lose_power("random", number)
        successor = read_identity(old).successor
        assert not successor or (old.parent / successor / "log.json").exists()
        shutil.rmtree(root)
