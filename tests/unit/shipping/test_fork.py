"""Two folders that write one log: nothing is lost, nothing doubled, and each record that moved says where it was."""

from __future__ import annotations

import errno
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from spool.errors import CorruptObject, FolderRefused, LockTimeout, OperatorNeeded, StoreUnavailable
from spool.file_lock import is_locked
from spool.log.identity import read_identity
from spool.log.shipped import read_shipped
from spool.names import LogName
from spool.shipping import fork
from spool.shipping.log_shipper import LogShipper
from spool.shipping.ship_lock import ShipLock
from spool.store.keys import segment_key
from tests.fakes.memory_store import Fault, MemoryStore
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.support.spool_host import ROOT, SpoolHost, archived, settings, values
from tests.support.waiting import wait_for


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def first(tmp_path: Path, store: MemoryStore) -> SpoolHost:
    return SpoolHost(tmp_path / "first", store)


def ship_all(*hosts: SpoolHost) -> None:
    """Until nobody has anything left: a move makes new segments."""
    for _ in range(3):
        for host in hosts:
            host.ship()


@pytest.mark.parametrize("detected", [True, False], ids=["identity shows it", "identity does not show it"])
@pytest.mark.parametrize("winner", [0, 1], ids=["origin ships first", "copy ships first"])
def test_a_folder_cloned_while_open(
    first: SpoolHost, store: MemoryStore, tmp_path: Path, detected: bool, winner: int
) -> None:
    first.append("both-1", "both-2")
    second = first.snapshot(tmp_path / "second", detected=detected)
    first.append("one-1")
    second.append("two-1", "two-2", group=True)
    second.append("two-3")
    ship_all(*([first, second] if winner == 0 else [second, first]))
    first.append("one-2")
    second.append("two-4")
    ship_all(first, second)
    assert values(store) == ["both-1", "both-2", "one-1", "one-2", "two-1", "two-2", "two-3", "two-4"]
    assert [path.name for path in tmp_path.glob("*/events/*/fork.json")] == []


@pytest.mark.parametrize("detected", [True, False], ids=["identity shows it", "identity does not show it"])
@pytest.mark.parametrize("shipped", [0, 1, 3], ids=["sealed only", "some shipped", "all shipped"])
def test_a_folder_cloned_after_sealing_and_shipping(
    first: SpoolHost, store: MemoryStore, tmp_path: Path, detected: bool, shipped: int
) -> None:
    first.append_segments("a", shipped)
    first.ship()
    first.append_segments("b", 3 - shipped)
    second = first.snapshot(tmp_path / "second", detected=detected)
    first.append_segments("one", 2)
    second.append_segments("two", 2)
    ship_all(second, first)
    expected = {f"{name}-{n}" for n in range(5) for name in (
        *(f"a{k}" for k in range(shipped)), *(f"b{k}" for k in range(3 - shipped)), "one0", "one1", "two0", "two1",
    )}  # fmt: skip
    assert values(store) == sorted(expected)


def test_the_loser_keeps_what_is_shared_and_moves_the_rest_with_its_old_position(
    first: SpoolHost, store: MemoryStore, tmp_path: Path
) -> None:
    first.append("both-1")
    first.append("both-2")
    second = first.snapshot(tmp_path / "second", detected=False)
    old = first.log.id
    first.append("one-1")
    first.ship()
    second.append("two-1", "two-2", group=True)
    second.append_segments("later", 1, events=2)
    ship_all(second)
    moved = [one for one in archived(store) if one.log != old]
    assert [(one.value, one.moved_from) for one in moved] == [
        (b"two-1", f"{old}/2"), (b"two-2", f"{old}/3"), (b"later0-0", f"{old}/4"), (b"later0-1", f"{old}/5"),
    ]  # fmt: skip
    assert [one.group for one in moved] == [(0, 2), (0, 2), (2, 1), (3, 1)]
    assert ("log_forked", f"events/{old}") in second.alarms.now
    old_folder = tmp_path / "second" / "events" / old
    assert sorted(path.name for path in (old_folder / "forked").iterdir()) == ["000000000000.sealed"]
    assert read_shipped(old_folder) == (0, 2), "waiters of what is shared are answered, the others are not"


def test_the_successor_names_what_it_continues(first: SpoolHost, store: MemoryStore, tmp_path: Path) -> None:
    first.append_segments("a", 1)
    first.ship()
    second = first.snapshot(tmp_path / "second", detected=False)
    old = first.log.id
    first.append_segments("one", 1)
    first.ship()
    second.append_segments("two", 1)
    ship_all(second)
    successor = read_identity(tmp_path / "second" / "events" / old).successor
    second.append("more")
    assert second.log.id == successor
    assert read_identity(second.log.path).after == (old, 1)
    assert second.archive.index(LogName("events", successor), 0).after == (old, 1)


def test_an_appender_of_the_losing_folder_goes_on_in_the_successor(
    first: SpoolHost, store: MemoryStore, tmp_path: Path
) -> None:
    first.append("both")
    second = first.snapshot(tmp_path / "second", detected=False)
    appender = SpoolHost(second.folder, store, second.settings)
    appender.append("two-1")
    first.append("one-1")
    first.ship()
    ship_all(second)
    log_id, _ = appender.append("two-2")
    assert log_id != first.log.id
    ship_all(second)
    assert values(store) == ["both", "one-1", "two-1", "two-2"]


def test_a_copy_that_diverged_before_what_it_still_has_moves_everything(
    first: SpoolHost, store: MemoryStore, tmp_path: Path
) -> None:
    first.append("both")
    second = first.snapshot(tmp_path / "second", detected=False)
    old = first.log.id
    first.append("one-1")
    first.log.seal()
    first.append_segments("one", 1, events=1)
    first.ship()
    second.append("two-1")
    second.log.seal()
    second.append_segments("two", 1, events=1)
    folder = tmp_path / "second" / "events" / old
    # Its first segment went astray, and with it all memory of it.
    (folder / "000000000000.sealed").unlink()
    ship_all(second)
    assert values(store) == ["both", "one-1", "one0-0", "two0-0"]


def test_a_segment_behind_that_of_another_folder_is_not_put_there(
    first: SpoolHost, store: MemoryStore, tmp_path: Path
) -> None:
    """The segment in between is not here any more, nor is the record of what became of it."""
    first.append_segments("both", 1)
    second = first.snapshot(tmp_path / "second", detected=False)
    old = first.log.id
    first.append_segments("one", 1)
    second.append_segments("lost", 1)
    second.append_segments("two", 1)
    (second.log.path / "000000000000.sealed").unlink()
    (second.log.path / "000000000001.sealed").unlink()
    first.ship()
    ship_all(second)
    assert [one.value.decode() for one in archived(store) if one.log == old] == [
        f"{name}0-{n}" for name in ("both", "one") for n in range(5)
    ]
    assert [one.value.decode() for one in archived(store) if one.log != old] == [f"two0-{n}" for n in range(5)]


def test_a_longer_segment_of_the_same_beginning_moves_only_its_end(
    first: SpoolHost, store: MemoryStore, tmp_path: Path
) -> None:
    first.append("a")
    second = first.snapshot(tmp_path / "second", detected=False)
    first.log.seal()
    first.ship()
    second.append("b")
    ship_all(second)
    assert values(store) == ["a", "b"]


def test_a_store_that_fails_in_the_middle_of_a_move_is_asked_again(
    first: SpoolHost, store: MemoryStore, tmp_path: Path
) -> None:
    first.append("both")
    second = first.snapshot(tmp_path / "second", detected=False)
    first.append("one-1")
    first.ship()
    second.append("two-1")
    for kind, call in (("unavailable", "get"), ("unavailable", "list")):
        store.faults.append(Fault(call, kind, f"r/events/{first.log.id}" if call == "get" else "", times=2))
    for _ in range(6):
        try:
            second.ship()
        except StoreUnavailable:
            continue
    store.faults.clear()
    ship_all(second)
    assert values(store) == ["both", "one-1", "two-1"]


def test_a_damaged_winner_moves_nothing_and_raises_an_alarm(
    first: SpoolHost, store: MemoryStore, tmp_path: Path
) -> None:
    first.append("both")
    second = first.snapshot(tmp_path / "second", detected=False)
    old = first.log.id
    first.append("one-1")
    first.ship()
    key = segment_key(ROOT, "events", old, 0)
    store.damage(key, 70)
    second.append("two-1")
    with pytest.raises(CorruptObject, match=key):
        second.ship()
    assert ("ship_blocked", f"events/{old}") in second.alarms.now
    store.damage(key, 70)
    ship_all(second)
    assert values(store) == ["both", "one-1", "two-1"]
    assert ("ship_blocked", f"events/{old}") not in second.alarms.now


def test_the_resident_shipper_serves_the_successor_of_a_fork(
    first: SpoolHost, store: MemoryStore, tmp_path: Path
) -> None:
    first = SpoolHost(first.folder, store, settings(seal_age_s=0.001))
    first.append("both")
    twin = first.snapshot(tmp_path / "twin", detected=False)
    twin.append("theirs")
    twin.ship()
    first.append("ours")
    stop = threading.Event()
    thread = threading.Thread(target=first.shipper().run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: "log_forked" in first.alarms.ever and "ours" in values(store))
        # Into the successor, by a client that this shipper does not know.
        SpoolHost(first.folder, store, first.settings).append("late")
        wait_for(lambda: "late" in values(store))
    finally:
        stop.set()
        thread.join(240)
    assert values(store) == ["both", "late", "ours", "theirs"]


@pytest.mark.parametrize("step", ["write_successor", "create_log"])
def test_a_producer_in_the_middle_of_a_fork_begins_no_third_log(
    first: SpoolHost, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    first.append("both")
    second = first.snapshot(tmp_path / "second", detected=False)
    first.append("one")
    first.ship()
    second.append("two")

    def no_power(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "the power is gone")

    with monkeypatch.context() as broken:
        broken.setattr(fork, step, no_power)
        with pytest.raises(FolderRefused):
            second.ship()
    SpoolHost(second.folder, store, second.settings).append("late")
    ship_all(second)
    logs = [path.parent for path in second.folder.glob("events/*/log.json")]
    assert len(logs) == 2
    assert values(store) == ["both", "late", "one", "two"]


def test_a_commit_that_has_no_room_for_another_move_stops_the_log(
    first: SpoolHost, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.append("both")
    second = first.snapshot(tmp_path / "second", detected=False)
    first.append("one")
    first.ship()
    second.append("two-1", "two-2", group=True)
    with monkeypatch.context() as small:
        small.setattr(fork, "_MOVED_COMMIT_BYTES_MAX", 400)
        with pytest.raises(OperatorNeeded, match="too large for another move"):
            second.ship()
    ship_all(second)
    assert values(store) == ["both", "one", "two-1", "two-2"]


def test_the_alarm_of_a_fork_is_raised_while_no_lock_is_held(
    first: SpoolHost, store: MemoryStore, tmp_path: Path
) -> None:
    first.append("both")
    second = first.snapshot(tmp_path / "second", detected=False)
    first.append("one")
    first.ship()
    second.append("two")
    held: list[bool] = []

    class Looking(RecordedAlarms):
        def open(self, condition: str, subject: str, evidence: str) -> None:
            held.extend(is_locked(path) for path in second.folder.rglob("*lock"))
            super().open(condition, subject, evidence)

    second.alarms = Looking()
    second.log.close()
    with ShipLock(second.folder):
        pass
    LogShipper(second.log_folder, second.settings.stream("events"), second.archive, second.alarms).ship_next()
    second.log.seal()
    LogShipper(second.log_folder, second.settings.stream("events"), second.archive, second.alarms).ship_next()
    assert "log_forked" in second.alarms.ever
    assert held
    assert not any(held)


def test_two_who_move_one_fork_at_once_move_each_record_once(
    first: SpoolHost, store: MemoryStore, tmp_path: Path
) -> None:
    first.append("both")
    second = first.snapshot(tmp_path / "second", detected=False)
    first.append("one")
    first.ship()
    second.append_segments("two", 2)
    log, stream = second.log_folder, second.settings.stream("events")
    is_moving, is_moved = threading.Event(), threading.Event()

    def beat(busy_s: float) -> None:
        if (log.path / "fork.json").exists() and not is_moving.is_set():
            is_moving.set()
            is_moved.wait(1.0)  # in vain where the other one is kept out

    def ship_beside() -> None:
        assert is_moving.wait(240)
        with suppress(LockTimeout):
            LogShipper(log, stream, second.archive, second.alarms).ship_next()
        is_moved.set()

    beside = threading.Thread(target=ship_beside)
    beside.start()
    LogShipper(log, stream, second.archive, second.alarms, beat=beat).ship_next()
    beside.join(240)
    ship_all(second)
    assert values(store) == sorted(["both", "one", *(f"two{s}-{n}" for s in range(2) for n in range(5))])
