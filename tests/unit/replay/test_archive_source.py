"""Reading a log from a checkpoint on: in order, nothing left out, gaps distinguished from the end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from spool.errors import CorruptObject, LogGap, StoreUnavailable
from spool.replay import transaction_load
from spool.replay.archive_source import ArchiveSource
from spool.replay.transaction_load import collect
from spool.store.keys import segment_key
from spool.store.object_store import StoredObject
from tests.fakes.memory_store import Fault, MemoryStore
from tests.support.spool_host import ROOT, SpoolHost


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def host(tmp_path, store) -> SpoolHost:
    """Eight segments of five events."""
    host = SpoolHost(tmp_path / "spool", store)
    host.append_segments("a", 8)
    host.ship()
    return host


@pytest.fixture
def source(host, store) -> Iterator[ArchiveSource]:
    with ThreadPoolExecutor(3) as readers:
        yield ArchiveSource(host.archive, host.name, readers)


def taken(source: ArchiveSource) -> list[tuple[int, int]]:
    found = []
    while source.peek() is not None:
        one = source.take()
        found.append((one.chunk.first_offset, one.next_offset))
    return found


def test_every_chunk_comes_once_in_order(source):
    assert taken(source) == [(n * 5, n * 5 + 5) for n in range(8)]


@pytest.mark.parametrize(("segment", "offset"), [(3, 15), (0, 15), (2, 15)])
def test_a_checkpoint_is_gone_on_from_even_in_an_earlier_segment(source, segment, offset):
    source.seek(segment, offset)
    assert taken(source)[0] == (15, 20)


def test_what_is_shipped_later_is_found_by_name(source, host):
    assert len(taken(source)) == 8
    host.append_segments("b", 2)
    host.ship()
    assert taken(source) == [(40, 45), (45, 50)]


def test_a_missing_segment_with_later_ones_is_a_gap_and_heals(source, host, store):
    key = segment_key(ROOT, "events", host.log.id, 2)
    held: StoredObject = store.objects.pop(key)
    assert [source.take().segment.segment for _ in range(2) if source.peek()] == [0, 1]
    for _ in range(2):
        with pytest.raises(LogGap, match="segment 2 is missing, segment 3 is there"):
            source.peek()
    store.objects[key] = held
    assert taken(source)[0] == (10, 15)


def test_a_checkpoint_before_a_segment_that_begins_later_is_a_gap(source):
    source.seek(3, 11)
    with pytest.raises(LogGap, match="begins at offset 15, expected was 11"):
        source.peek()


def test_after_an_outage_of_the_store_nothing_is_left_out(source, store):
    source.peek()
    store.faults.append(Fault("get", "unavailable", times=3))
    found = []
    for _ in range(20):
        try:
            found += taken(source)
        except StoreUnavailable:
            continue
    assert [first for first, _ in found] == [n * 5 for n in range(8)][-len(found) :]
    assert found[-1] == (35, 40)


def test_a_damaged_object_is_named(source, host, store):
    key = segment_key(ROOT, "events", host.log.id, 1)
    store.damage(key, 30)
    source.peek()
    source.take()
    with pytest.raises(CorruptObject, match="000000000001"):
        source.peek()


def test_a_transaction_ends_before_it_has_too_many_batches(source, monkeypatch):
    monkeypatch.setattr(transaction_load, "BATCHES_MAX", 7)
    batches = []
    while source.peek() is not None:
        got = collect(source, "events/a", 50_000)
        batches.append(sum(len(one.chunk.batches) for one in got))
    assert len(batches) > 2
    assert all(number <= 7 for number in batches)


def test_a_transaction_takes_no_more_than_asked_for(source):
    source.peek()
    assert [one.next_offset for one in collect(source, "events/a", 7)] == [5, 10]


def test_what_is_in_hand_is_delivered_before_an_error_behind_it_is_met(source, store, host):
    store.damage(segment_key(ROOT, "events", host.log.id, 1), 30)
    source.peek()
    assert [one.next_offset for one in collect(source, "events/a", 50_000)] == [5]


def test_with_a_hundred_thousand_objects_a_start_reads_the_next_one_only(source, host, store):
    """Listings begin behind the checkpoint: what was delivered long ago costs nothing."""
    log, last = host.log.id, 100_000
    body = store.objects[segment_key(ROOT, "events", log, 7)]
    listed: list[int] = []
    plain = store.list

    def counting(prefix: str, *, start_after: str = "") -> Iterator[object]:
        for found in plain(prefix, start_after=start_after):
            listed.append(1)
            yield found

    store.list = counting  # type: ignore[method-assign]
    store.objects |= {segment_key(ROOT, "events", log, n): body for n in range(8, last)}
    store.calls.clear()
    source.seek(last, 1_000_000)
    assert source.peek() is None
    assert sum(listed) == 0
    assert len([call for call in store.calls if call.name == "get"]) <= 1
