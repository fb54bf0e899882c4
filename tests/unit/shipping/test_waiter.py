"""Waiting for `s3`: the resident shipper works, or the waiting producer does."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from spool.clock import Deadline
from spool.errors import AppendUnknown, SettingsError, SpoolError, StoreRefused
from spool.file_lock import locked
from spool.names import LogName
from spool.shipping import ship_lock
from spool.shipping.ship_lock import ShipLock, somebody_ships
from spool.shipping.waiter import wait_until_shipped
from tests.fakes.memory_store import Fault, MemoryStore
from tests.support.spool_host import SpoolHost, values
from tests.support.waiting import wait_for


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def host(tmp_path: Path, store: MemoryStore) -> SpoolHost:
    return SpoolHost(tmp_path / "spool", store)


def wait(host: SpoolHost, log_id: str, next_offset: int, *, seconds: float = 10.0) -> None:
    wait_until_shipped(
        host.log, log_id, next_offset, deadline=Deadline.after(seconds), store=lambda: host.store,
        settings=host.settings, alarms=host.alarms,
    )  # fmt: skip


def no_store() -> MemoryStore:
    raise AssertionError("the waiting producer must not ship here")


def test_who_waits_ships_where_nobody_else_does(host: SpoolHost, store: MemoryStore) -> None:
    log_id, ranges = host.append("a", "b")
    wait(host, log_id, ranges[-1].next)
    assert values(store) == ["a", "b"]


def test_what_is_shipped_already_is_not_waited_for(host: SpoolHost) -> None:
    log_id, ranges = host.append("a")
    host.ship()
    wait_until_shipped(
        host.log, log_id, ranges[-1].next, deadline=Deadline.after(0), store=no_store, settings=host.settings,
        alarms=host.alarms,
    )  # fmt: skip


def test_while_a_resident_shipper_is_alive_it_does_the_work(host: SpoolHost, store: MemoryStore) -> None:
    log_id, ranges = host.append("a")
    stop = threading.Event()
    thread = threading.Thread(target=host.shipper().run, args=(stop,))
    thread.start()
    try:
        while not somebody_ships(host.folder):
            pass
        wait_until_shipped(
            host.log, log_id, ranges[-1].next, deadline=Deadline.after(20), store=no_store, settings=host.settings,
            alarms=host.alarms,
        )  # fmt: skip
    finally:
        stop.set()
        thread.join(240)
    assert values(store) == ["a"]


def test_a_holder_of_the_lock_without_a_heartbeat_is_passed_over(
    host: SpoolHost, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_id, ranges = host.append("a")
    monkeypatch.setattr(ship_lock, "STALE_S", 0.0)
    with ShipLock(host.folder) as stopped:
        assert stopped.held
        wait(host, log_id, ranges[-1].next)
    assert values(store) == ["a"]


def test_a_store_that_is_away_until_the_deadline_leaves_the_outcome_unknown(
    host: SpoolHost, store: MemoryStore
) -> None:
    log_id, ranges = host.append("a")
    store.faults.append(Fault("put_if_absent", "unavailable", ".seg", times=10**6))
    with pytest.raises(AppendUnknown, match=r"on disk, but not in the store in time.*unavailable on demand"):
        wait(host, log_id, ranges[-1].next, seconds=0.2)
    store.faults.clear()
    host.ship()
    assert values(store) == ["a"]


def test_a_store_that_comes_back_in_time_is_waited_for(host: SpoolHost, store: MemoryStore) -> None:
    log_id, ranges = host.append("a")
    store.faults.append(Fault("put_if_absent", "lose_answer", ".seg", times=2))
    wait(host, log_id, ranges[-1].next)
    assert values(store) == ["a"]


def test_a_store_that_cannot_hold_an_archive_is_said_at_once(host: SpoolHost, store: MemoryStore) -> None:
    log_id, ranges = host.append("a")
    store.honours_if_none_match = False
    with pytest.raises(StoreRefused):
        wait(host, log_id, ranges[-1].next)


def test_no_configured_store_is_said_at_once(host: SpoolHost) -> None:
    log_id, ranges = host.append("a")

    def not_configured() -> MemoryStore:
        raise SettingsError("no object store is configured")

    with pytest.raises(SettingsError):
        wait_until_shipped(
            host.log, log_id, ranges[-1].next, deadline=Deadline.after(10), store=not_configured,
            settings=host.settings, alarms=host.alarms,
        )  # fmt: skip


def test_events_below_the_floor_are_unknown_though_the_log_has_gone_on(host: SpoolHost, store: MemoryStore) -> None:
    log_id, _ = host.append("a")
    host.archive.raise_floor(LogName("events", log_id), 1)
    with pytest.raises(AppendUnknown, match="below the floor") as caught:
        wait(host, log_id, 1)
    assert "orphans" in caught.value.hint


def test_many_who_wait_are_all_answered_and_everything_is_there_once(host: SpoolHost, store: MemoryStore) -> None:
    assert host.log.id
    failures: list[BaseException] = []

    def append(number: int) -> None:
        try:
            log_id, ranges = host.append(f"v{number:02d}")
            wait(host, log_id, ranges[-1].next, seconds=60)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=append, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert values(store) == [f"v{n:02d}" for n in range(16)]


def test_nobody_ships_without_lock_or_without_heartbeat(tmp_path: Path) -> None:
    assert not somebody_ships(tmp_path)
    with ShipLock(tmp_path) as lock:
        assert somebody_ships(tmp_path)
        (tmp_path / ship_lock.HEARTBEAT).write_text(f"another-boot {ship_lock.boottime_ns()}")
        assert not somebody_ships(tmp_path)
        (tmp_path / ship_lock.HEARTBEAT).write_text("nonsense")
        assert not somebody_ships(tmp_path)
        lock.beat()
        assert somebody_ships(tmp_path)
    assert not somebody_ships(tmp_path)


def test_who_works_beside_a_stopped_holder_does_not_make_it_look_alive(tmp_path: Path) -> None:
    with ShipLock(tmp_path), ShipLock(tmp_path) as other:
        (tmp_path / ship_lock.HEARTBEAT).unlink()
        other.beat()
        assert not somebody_ships(tmp_path)


def test_one_holds_the_folder(tmp_path: Path) -> None:
    with ShipLock(tmp_path) as one, ShipLock(tmp_path) as other:
        assert (one.held, other.held) == (True, False)
    with ShipLock(tmp_path) as again:
        assert again.held


def test_a_forked_child_does_not_wait_for_a_thread_of_its_parent(host: SpoolHost, store: MemoryStore) -> None:
    log_id, ranges = host.append("a")
    looking, go_on = threading.Event(), threading.Event()

    def hold(name: str, key: str) -> None:
        if name == "put_if_absent" and key.endswith(".seg"):
            looking.set()
            go_on.wait(240)

    store.before_call = hold
    leader = threading.Thread(target=wait, args=(host, log_id, ranges[-1].next), kwargs={"seconds": 30})
    leader.start()
    assert looking.wait(240)
    child = os.fork()
    if child == 0:
        try:
            # The parent's thread holds ship.lock and is alive: the child looks by itself and gives up in time.
            with pytest.raises(AppendUnknown):
                wait(host, log_id, ranges[-1].next, seconds=0.2)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    go_on.set()
    leader.join(240)
    assert os.waitstatus_to_exitcode(status) == 0
    assert values(store) == ["a"]


def test_a_deadline_is_kept_though_the_store_does_not_answer(host: SpoolHost, store: MemoryStore) -> None:
    log_id, ranges = host.append("a")
    answer, asked = threading.Event(), threading.Event()

    def hang(name: str, key: str) -> None:
        if name == "put_if_absent" and key.endswith(".seg"):
            asked.set()
            assert answer.wait(240)

    store.before_call = hang
    with pytest.raises(AppendUnknown, match="not in the store in time"):
        wait(host, log_id, ranges[-1].next, seconds=0.5)
    assert asked.is_set()
    answer.set()
    # The attempt went on beside; the next waiter sees its work.
    wait(host, log_id, ranges[-1].next, seconds=60)
    assert values(store) == ["a"]


def test_a_deadline_is_kept_though_another_stopped_in_the_middle_of_recording(
    host: SpoolHost, store: MemoryStore
) -> None:
    log_id, ranges = host.append("a")
    with locked(host.log.path / "shipped.lock", Deadline.after(10)):
        with pytest.raises(AppendUnknown):
            wait(host, log_id, ranges[-1].next, seconds=0.5)
        wait_for(lambda: values(store) == ["a"])
    wait(host, log_id, ranges[-1].next, seconds=60)
    assert values(store) == ["a"]


@pytest.mark.parametrize("name", ["ship.lock", "ship.heartbeat", "shipped.lock", "shipped"])
def test_whatever_the_disk_refuses_the_outcome_is_unknown(host: SpoolHost, store: MemoryStore, name: str) -> None:
    log_id, ranges = host.append("a")
    in_the_way = (host.folder if name.startswith("ship.") else host.log.path) / name
    in_the_way.mkdir()
    if name == "ship.heartbeat":
        wait(host, log_id, ranges[-1].next)  # it saves work only: without it everybody ships
    else:
        with pytest.raises(SpoolError):
            wait(host, log_id, ranges[-1].next, seconds=1.0)
        in_the_way.rmdir()
        wait(host, log_id, ranges[-1].next)
    assert values(store) == ["a"]


def test_what_an_attempt_said_to_others_is_not_said_again(host: SpoolHost, store: MemoryStore) -> None:
    log_id, ranges = host.append("a")
    answer, asked = threading.Event(), threading.Event()

    def hang(name: str, key: str) -> None:
        if name == "put_if_absent" and key.endswith(".seg"):
            asked.set()
            assert answer.wait(240)

    store.faults.append(Fault("put_if_absent", "refused", ".seg"))
    store.before_call = hang
    with pytest.raises(AppendUnknown):
        wait(host, log_id, ranges[-1].next, seconds=0.5)
    answer.set()
    wait_for(lambda: store.faults == [])
    wait_for(lambda: not any(thread.name == "spool-ship" for thread in threading.enumerate()))
    wait(host, log_id, ranges[-1].next)
    assert values(store) == ["a"]


def test_an_idle_child_does_not_keep_its_parents_folder(tmp_path: Path) -> None:
    with ShipLock(tmp_path) as lock:
        assert lock.held
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    with ShipLock(tmp_path) as again:
        assert again.held
    os.close(writing)
    os.close(reading)
    os.waitpid(child, 0)


def test_the_resident_shipper_passes_over_a_holder_that_does_not_breathe(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 2)
    stop = threading.Event()
    thread = threading.Thread(target=host.shipper().run, args=(stop,))
    with ShipLock(host.folder):
        (host.folder / ship_lock.HEARTBEAT).write_text("another-boot 5")
        thread.start()
        wait_for(lambda: len(values(store)) == 10)
        # It does not make the stopped holder look alive either.
        assert (host.folder / ship_lock.HEARTBEAT).read_text() == "another-boot 5"
    # The lock is free now: it takes it.
    wait_for(lambda: somebody_ships(host.folder))
    stop.set()
    thread.join(240)
    assert not thread.is_alive()


def test_a_long_step_may_take_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ShipLock(tmp_path) as lock:
        lock.beat(busy_s=60)
        now = ship_lock.boottime_ns()
        monkeypatch.setattr(ship_lock, "boottime_ns", lambda: now + int(65e9))
        assert somebody_ships(tmp_path)
        monkeypatch.setattr(ship_lock, "boottime_ns", lambda: now + int(75e9))
        assert not somebody_ships(tmp_path)
