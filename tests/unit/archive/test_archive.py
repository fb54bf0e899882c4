"""Reading the archive by name and by listing."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool.archive import archive
from spool.errors import CorruptObject, ObjectMissing
from spool.names import LogName
from spool.store.keys import segment_key
from tests.fakes.memory_store import MemoryStore
from tests.support.spool_host import ROOT, SpoolHost


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def host(tmp_path: Path, store: MemoryStore) -> SpoolHost:
    host = SpoolHost(tmp_path / "spool", store)
    host.append_segments("a", 4)
    host.ship()
    return host


def test_logs_are_found_and_meta_is_none(host: SpoolHost, store: MemoryStore) -> None:
    store.put_if_absent(f"{ROOT}/_meta/floors/x/y", b"", {})
    store.put_if_absent(f"{ROOT}/another/log2/000000000000.seg", b"", {})
    assert host.archive.logs() == [LogName("another", "log2"), LogName("events", host.log.id)]
    assert host.archive.logs("events") == [LogName("events", host.log.id)]
    assert host.archive.logs("none") == []


def test_segments_begin_at_the_start_and_skip_what_is_none(host: SpoolHost, store: MemoryStore) -> None:
    store.put_if_absent(f"{ROOT}/events/{host.log.id}/notes.txt", b"", {})
    assert list(host.archive.segments(host.name)) == [0, 1, 2, 3]
    assert list(host.archive.segments(host.name, 2)) == [2, 3]
    assert list(host.archive.segments(host.name, 9)) == []


def test_an_index_is_the_segment_without_its_data(host: SpoolHost, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = host.archive.read(host.name, 1)
    index = host.archive.index(host.name, 1)
    assert index._replace(chunks=()) == whole._replace(chunks=())
    assert [chunk.event_count for chunk in index.chunks] == [chunk.event_count for chunk in whole.chunks]
    monkeypatch.setattr(archive, "INDEX_TAIL_BYTES", 20)
    assert host.archive.index(host.name, 1) == index


def test_a_missing_segment_is_missing(host: SpoolHost) -> None:
    for read in (host.archive.read, host.archive.index):
        with pytest.raises(ObjectMissing):
            read(host.name, 4)


def test_an_object_under_another_ones_key_is_corrupt(host: SpoolHost, store: MemoryStore) -> None:
    key = segment_key(ROOT, "events", host.log.id, 9)
    store.put_if_absent(key, store.get(segment_key(ROOT, "events", host.log.id, 0)).body, {})
    for read in (host.archive.read, host.archive.index):
        with pytest.raises(CorruptObject, match=f"{key}: holds segment 0"):
            read(host.name, 9)


def test_damage_is_reported_with_the_key(host: SpoolHost, store: MemoryStore) -> None:
    key = segment_key(ROOT, "events", host.log.id, 2)
    store.damage(key, 100)
    with pytest.raises(CorruptObject, match=key):
        host.archive.read(host.name, 2)
    store.damage(key, -1)
    with pytest.raises(CorruptObject, match=key):
        host.archive.index(host.name, 2)


def test_segments_below_the_floor_do_not_count(host: SpoolHost, store: MemoryStore) -> None:
    host.archive.raise_floor(host.name, 2)
    assert list(host.archive.segments(host.name)) == [2, 3]
    assert list(host.archive.segments(host.name, 1)) == [2, 3]
    assert list(host.archive.segments(host.name, 3)) == [3]
