"""Shipping a folder: in order, once, whatever the store answers."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from spool.clock import Deadline
from spool.disk import Disk
from spool.errors import (
    ObjectExists,
    OperatorNeeded,
    SettingsError,
    SpoolError,
    StoreRefused,
    StoreUnavailable,
)
from spool.log.folder import segment_files
from spool.log.identity import read_identity, write_identity
from spool.log.shipped import NOTHING, ShippedState, read_shipped, write_shipped
from spool.shipping import log_turn
from spool.shipping import shipper as shipper_module
from spool.shipping.log_shipper import LogShipper
from spool.shipping.sealed_source import read_source
from spool.shipping.segment_put import SOURCE_SHA256
from spool.shipping.ship_lock import ShipLock
from spool.shipping.shipped_record import record_shipped
from spool.shipping.shipper import Shipper
from spool.store.keys import segment_key
from tests.fakes.memory_store import Fault, MemoryStore
from tests.support.spool_host import ROOT, SpoolHost, archived, numbered, settings, values


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def host(tmp_path: Path, store: MemoryStore) -> SpoolHost:
    return SpoolHost(tmp_path / "spool", store)


def puts(store: MemoryStore) -> list[str]:
    return [
        call.key.rsplit("/")[-1] for call in store.calls if call.name == "put_if_absent" and "_meta" not in call.key
    ]


def test_every_event_is_archived_once_and_the_folder_is_emptied(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 4)
    summary = host.ship()
    assert (summary.objects, summary.events, summary.waiting) == (4, 20, 0)
    assert values(store) == numbered("a", 4)
    assert host.files() == ["000000000004.open"]
    assert read_shipped(host.log.path) == (3, 20)


def test_what_is_appended_later_goes_on_behind(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 2)
    host.ship()
    host.append("b", group=True)
    host.ship()
    assert [one.offset for one in archived(store)] == list(range(11))
    assert list(host.archive.segments(host.name)) == [0, 1, 2]


def test_an_open_segment_is_shipped_only_if_asked_for_or_due(host: SpoolHost, store: MemoryStore) -> None:
    host.append("a")
    host.ship(seal_all=False)
    assert puts(store) == []
    host.ship()
    assert puts(store) == ["000000000000.seg"]


def test_a_segment_without_commits_is_never_shipped(host: SpoolHost, store: MemoryStore) -> None:
    assert host.log.id
    for _ in range(3):
        assert host.ship() == (0, 0, 0, 0)
    assert puts(store) == []


def test_a_folder_that_does_not_exist_is_nothing_to_ship(host: SpoolHost) -> None:
    assert host.shipper().ship_once() == (0, 0, 0, 0)
    assert not host.folder.exists()


def test_a_group_is_archived_as_one(host: SpoolHost, store: MemoryStore) -> None:
    host.append("a", "b", "c", group=True)
    host.append("d")
    host.ship()
    assert [one.group for one in archived(store)] == [(0, 3), (0, 3), (0, 3), (3, 1)]


def test_the_identity_of_a_segment_is_in_the_metadata_and_chained_in_the_footers(
    host: SpoolHost, store: MemoryStore
) -> None:
    host.append_segments("a", 3)
    host.ship()
    before = ""
    for number in range(3):
        index = host.archive.index(host.name, number)
        metadata = store.metadata(segment_key(ROOT, "events", host.log.id, number))
        assert metadata == {SOURCE_SHA256: index.source_sha256}
        assert index.previous_sha256 == before
        before = index.source_sha256


@pytest.mark.parametrize("kind", ["unavailable", "lose_answer", "conflict", "delay"])
@pytest.mark.parametrize("call", ["put_if_absent", "metadata", "get"])
@pytest.mark.parametrize("key_part", ["000000000001.seg", "_meta/floors"])
def test_whatever_the_store_does_the_next_try_ships_the_same(
    host: SpoolHost, store: MemoryStore, kind: str, call: str, key_part: str
) -> None:
    host.append_segments("a", 3)
    store.faults.append(Fault(call, kind, key_part, times=2))
    for _ in range(4):
        try:
            host.ship()
            break
        except StoreUnavailable:
            pass
    store.faults.clear()
    late = store.land_delayed()
    if call == "put_if_absent":
        assert all(isinstance(error, ObjectExists) for error in late)
    assert values(store) == numbered("a", 3)
    assert host.files() == ["000000000003.open"]


def test_a_put_whose_answer_was_lost_is_recognised_as_ours(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 1)
    store.faults.append(Fault("put_if_absent", "lose_answer", ".seg"))
    with pytest.raises(StoreUnavailable):
        host.ship()
    assert read_shipped(host.log.path).segment == -1
    host.ship()
    assert read_shipped(host.log.path).segment == 0
    assert host.alarms.ever == []


def test_a_key_that_is_taken_and_then_free_is_put_again(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 1)
    key = segment_key(ROOT, "events", host.log.id, 0)
    store.put_if_absent(key, b"in the way", {})

    def vanish(name: str, asked: str) -> None:
        if name == "metadata" and asked == key and store.objects[key].body == b"in the way":
            store.objects.pop(key)

    store.before_call = vanish
    host.ship()
    assert values(store) == numbered("a", 1)


def test_no_later_segment_is_put_before_an_earlier_one_is_confirmed(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 4)
    store.faults.append(Fault("put_if_absent", "unavailable", "000000000001.seg", times=3))
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            host.ship()
    assert puts(store) == ["000000000000.seg", *["000000000001.seg"] * 3]


def test_nothing_local_goes_before_put_and_floor_are_confirmed(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 2)
    store.faults.append(Fault("get", "unavailable", "_meta/floors"))
    with pytest.raises(StoreUnavailable):
        host.ship()
    assert host.files() == ["000000000000.sealed", "000000000001.sealed", "000000000002.open"]
    assert read_shipped(host.log.path).segment == -1


def test_a_log_that_cannot_go_on_does_not_hold_up_the_others(tmp_path: Path, store: MemoryStore) -> None:
    known = settings()
    both = {"events": known.stream("events"), "other": settings().stream("events")}
    host = SpoolHost(tmp_path / "spool", store, known)
    host.append_segments("a", 1)
    other = SpoolHost(tmp_path / "spool", store, known)
    stranger = tmp_path / "spool" / "unknown_stream" / "log1"
    stranger.mkdir(parents=True)
    (stranger / "log.json").write_text((host.log.path / "log.json").read_text())
    with pytest.raises(SettingsError, match="unknown_stream"):
        other.ship()
    assert both
    assert values(store) == numbered("a", 1)
    assert ("ship_blocked", "unknown_stream/log1") in other.alarms.now


def test_a_lost_record_of_what_was_shipped_is_found_out_again(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 2)
    host.ship()
    (host.log.path / "shipped").unlink()
    host.append_segments("b", 2)
    host.ship()
    assert values(store) == sorted(numbered("a", 2) + numbered("b", 2))
    assert host.alarms.ever == []


def test_a_missing_segment_stops_its_log_with_an_alarm(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 3)
    first, second = (host.log.path / f"{n:012d}.sealed" for n in (0, 1))
    first.rename(host.folder / "away0")
    second.rename(host.folder / "away1")
    with pytest.raises(OperatorNeeded, match="segment 1 is neither here nor in the store") as caught:
        host.ship()
    assert "bring the missing file back" in caught.value.hint
    assert puts(store) == []
    assert ("segment_missing", f"events/{host.log.id}") in host.alarms.now
    (host.folder / "away0").rename(first)
    (host.folder / "away1").rename(second)
    host.ship()
    assert values(store) == numbered("a", 3)
    assert host.alarms.now == {}


# --- damage ---------------------------------------------------------------------------------------------------


def damage(host: SpoolHost, segment: int, at: int) -> None:
    path = host.log.path / f"{segment:012d}.sealed"
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def test_damaged_bytes_become_a_hole_and_the_object_keeps_the_recorded_identity(
    host: SpoolHost, store: MemoryStore
) -> None:
    for value in ("a", "b", "c"):
        host.append(value)
    host.log.seal()
    sealed = (host.log.path / "000000000000.sealed").read_bytes()
    host.append("d")
    damage(host, 0, sealed.index(b"\x02b") if b"\x02b" in sealed else sealed.index(b"b", len(sealed) * 2 // 3))
    host.ship()
    index = host.archive.index(host.name, 0)
    lost = sum(hole.next - hole.first for hole in index.holes)
    assert lost == 1
    assert index.event_count == 2
    assert "d" in values(store)
    assert ("segment_damaged", f"events/{host.log.id}") in host.alarms.now
    following = host.archive.index(host.name, 1)
    assert following.previous_sha256 == index.source_sha256


def test_every_damaged_byte_of_a_sealed_segment_is_noticed_and_nothing_wrong_is_taken(host: SpoolHost) -> None:
    host.append("aa")
    host.append("bb", "cc", group=True)
    host.log.seal()
    (file, _open) = segment_files(host.log.path)
    right = read_source(host.log_folder, file, NOTHING)
    frames = {commit.first_offset: commit.frame for commit in right.contents.commits}
    for at in range(file.path.stat().st_size):
        damage(host, 0, at)
        source = read_source(host.log_folder, file, NOTHING)
        assert source.damage
        assert source.identity == right.identity
        assert all(frames[commit.first_offset] == commit.frame for commit in source.contents.commits)
        events = sum(commit.event_count for commit in source.contents.commits)
        assert events + sum(hole.next - hole.first for hole in source.contents.holes) == 3
        damage(host, 0, at)


def test_a_damaged_header_is_made_good_by_what_was_shipped_before(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 1)
    host.ship()
    host.append_segments("b", 1)
    damage(host, 1, 30)
    host.ship()
    assert values(store) == sorted(numbered("a", 1) + numbered("b", 1))
    assert host.alarms.ever == ["segment_damaged"]


def test_a_misread_that_does_not_repeat_leaves_no_hole(
    host: SpoolHost, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.append_segments("a", 1)
    read_bytes, reads = Path.read_bytes, []

    def misread(path: Path) -> bytes:
        data = read_bytes(path)
        if path.name.endswith(".sealed"):
            reads.append(path)
            if len(reads) == 1:
                return data[:-1] + b"?"
        return data

    monkeypatch.setattr(Path, "read_bytes", misread)
    host.ship()
    assert len(reads) == 2
    assert values(store) == numbered("a", 1)
    assert host.alarms.ever == []


# --- several shippers, and the resident one -----------------------------------------------------------------------


def test_two_shippers_on_one_folder_ship_everything_once(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 12)
    failures: list[Exception] = []

    def ship() -> None:
        try:
            host.shipper().ship_once()
        except SpoolError as error:
            failures.append(error)

    threads = [threading.Thread(target=ship) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert values(store) == numbered("a", 12)
    assert host.files() == ["000000000012.open"]
    assert host.alarms.ever == []


def test_a_slow_shipper_takes_nothing_back(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 5)
    overtaken = []

    def overtake(name: str, key: str) -> None:
        if name == "put_if_absent" and key.endswith("000000000001.seg") and not overtaken:
            overtaken.append(True)
            SpoolHost(host.folder, store, host.settings).ship()

    store.before_call = overtake
    host.ship()
    assert read_shipped(host.log.path) == (4, 25)
    assert values(store) == numbered("a", 5)


def test_the_record_of_what_is_shipped_never_goes_backwards(host: SpoolHost) -> None:
    host.append("a")
    record_shipped(host.log.path, ShippedState(4, 25), Disk(), Deadline.after(10))
    record_shipped(host.log.path, ShippedState(1, 10), Disk(), Deadline.after(10))
    assert read_shipped(host.log.path) == (4, 25)


def test_a_file_is_removed_only_when_its_segment_is_recorded_as_shipped(host: SpoolHost, store: MemoryStore) -> None:
    removed = []

    class WatchedDisk(Disk):
        def unlink(self, path: Path) -> None:
            if path.suffix == ".sealed":
                removed.append((int(path.stem), read_shipped(path.parent).segment))
            super().unlink(path)

    host.append_segments("a", 4)
    Shipper(host.folder, host.settings, store, host.alarms, disk=WatchedDisk()).ship_once()
    assert [segment for segment, _ in removed] == [0, 1, 2, 3]
    assert all(segment <= recorded for segment, recorded in removed)


def test_the_resident_shipper_goes_on_after_an_outage(
    host: SpoolHost, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_turn, "BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr(log_turn, "BACKOFF_MAX_S", 0.01)
    host.append_segments("a", 3)
    store.faults.append(Fault("*", "unavailable", times=20))
    run_until(host, store, 3)
    assert values(store) == numbered("a", 3)
    assert "store_unavailable" in host.alarms.ever
    assert host.alarms.now == {}


def run_until(host: SpoolHost, store: MemoryStore, objects: int) -> None:
    stop = threading.Event()

    def enough(name: str, key: str) -> None:
        if sum(".seg" in key for key in store.objects) >= objects and name == "get":
            stop.set()

    store.before_call = enough
    thread = threading.Thread(target=host.shipper().run, args=(stop,))
    thread.start()
    thread.join(240)
    assert not thread.is_alive()
    store.before_call = None


def test_the_resident_shipper_seals_what_is_old_enough(tmp_path: Path, store: MemoryStore) -> None:
    host = SpoolHost(tmp_path / "spool", store, settings(seal_age_s=0.01))
    host.append("a")
    run_until(host, store, 1)
    assert values(store) == ["a"]


def test_the_resident_shipper_waits_while_another_one_holds_the_folder(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 1)
    stop = threading.Event()
    with ShipLock(host.folder) as lock:
        assert lock.held
        thread = threading.Thread(target=host.shipper().run, args=(stop,))
        thread.start()
        thread.join(0.2)
        assert puts(store) == []
        stop.set()
        thread.join(240)
    assert not thread.is_alive()


@pytest.mark.parametrize("condition", ["If-None-Match", "If-Match"])
def test_a_store_that_ignores_a_condition_is_refused_before_anything_is_put(
    host: SpoolHost, store: MemoryStore, condition: str
) -> None:
    host.append_segments("a", 1)
    store.honours_if_none_match = condition != "If-None-Match"
    store.honours_if_match = condition != "If-Match"
    with pytest.raises(StoreRefused, match=condition) as caught:
        host.ship()
    assert "use a store with If-None-Match" in caught.value.hint
    assert puts(store) == []
    with pytest.raises(StoreRefused):
        host.shipper().run(threading.Event())


def test_the_highest_file_of_a_log_is_never_removed(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 2)
    (host.log.path / "000000000002.open").unlink()
    write_shipped(host.log.path, ShippedState(1, 10))
    shipper = LogShipper(host.log_folder, host.settings.stream("events"), host.archive, host.alarms)
    assert shipper.ship_next() is None
    assert host.files() == ["000000000001.sealed"]


@pytest.mark.parametrize("prefix", ["", "r", "r/", "r/events/"])
def test_a_bucket_that_lets_the_archive_expire_is_refused(host: SpoolHost, store: MemoryStore, prefix: str) -> None:
    host.append_segments("a", 1)
    store.expiring = ("unrelated/", prefix)
    with pytest.raises(StoreRefused, match="expire"):
        host.ship()
    assert puts(store) == []


def test_rules_about_other_prefixes_are_no_concern(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 1)
    store.expiring = ("rr/", "logs/")
    host.ship()
    assert values(store) == numbered("a", 1)


def test_a_backlog_of_one_log_does_not_keep_the_others_waiting(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", shipper_module.SEGMENTS_A_TURN + 3)
    with ShipLock(host.folder) as lock:
        turn = host.shipper().ship_round(lock)
    assert (turn.shipped.objects, turn.waiting) == (shipper_module.SEGMENTS_A_TURN, 3)
    assert host.ship().objects == 3


def test_a_log_that_never_gets_on_does_not_keep_a_single_run_for_ever(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 1)
    # A log of another folder that was ended in the middle of sealing: nobody writes there, and its identity is unknown.
    ended = host.folder / "events" / "ended"
    shutil.copytree(host.log.path, ended)
    identity = read_identity(ended)._replace(log="ended", inode=ended.stat().st_ino, successor="elsewhere")
    write_identity(ended, Disk(), identity)
    (ended / "000000000001.open").unlink()
    assert host.ship().waiting == 1
    assert values(store) == numbered("a", 1)


# --- below the floor ------------------------------------------------------------------------------------------------


def test_a_segment_below_the_floor_is_put_aside_and_the_log_goes_on_where_it_is_known(
    host: SpoolHost, store: MemoryStore
) -> None:
    host.append_segments("a", 4)
    twin = host.snapshot(host.folder.parent / "twin", detected=False)
    twin.ship()
    log = host.log.id
    host.archive.raise_floor(host.name, 2)
    for number in (0, 1):
        store.delete(segment_key(ROOT, "events", log, number))
    host.ship()
    assert sorted(path.name for path in (host.log.path / "orphans").iterdir()) == [
        "000000000000-0-5.sealed",
        "000000000001-5-10.sealed",
    ]
    assert ("segment_orphaned", f"events/{log}") in host.alarms.now
    assert "log_forked" not in host.alarms.ever
    assert read_shipped(host.log.path) == (3, 20)


def test_behind_an_orphan_an_unknown_segment_moves_to_a_successor(host: SpoolHost, store: MemoryStore) -> None:
    host.append_segments("a", 3)
    old = host.log.id
    host.archive.raise_floor(host.name, 1)
    host.ship()
    host.ship()
    assert [path.name for path in (host.log.path.parent / old / "orphans").iterdir()] == ["000000000000-0-5.sealed"]
    moved = [one for one in archived(store) if one.log != old]
    assert [one.moved_from for one in moved] == [f"{old}/{offset}" for offset in range(5, 15)]


def test_a_hole_between_two_segments_is_named_by_the_later_one(host: SpoolHost, store: MemoryStore) -> None:
    """Nothing passed its checks in the open segment after a power loss; the one before it is shipped and gone."""
    host.append_segments("a", 1)
    host.ship()
    host.append("lost" * 50)
    (damaged,) = segment_files(host.log.path)
    damaged.path.write_bytes(bytes(damaged.path.stat().st_size))
    (host.log.path / "lock").unlink()
    host.append("after")
    host.ship()
    last = host.archive.index(host.name, 1)
    assert [(hole.first, hole.next) for hole in last.holes] == [(5, last.next_offset - 1)]
    assert values(store) == sorted([*numbered("a", 1), "after"]), "segments follow one another without a gap"
