"""A look at all logs of the archive shows what is missing in one, and hides none."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool.archive.log_extent import log_extents
from spool.store.keys import segment_key
from tests.fakes.memory_store import MemoryStore
from tests.support.spool_host import ROOT, SpoolHost


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def hosts(tmp_path: Path, store: MemoryStore) -> list[SpoolHost]:
    """Three logs of one stream with four segments each, in the order of their names."""
    shipped = [SpoolHost(tmp_path / str(number), store) for number in range(3)]
    for host in shipped:
        host.append_segments("a", 4)
        host.ship()
    return sorted(shipped, key=lambda host: host.log.id)


def key(host: SpoolHost, segment: int) -> str:
    return segment_key(ROOT, "events", host.log.id, segment)


def test_a_log_that_is_whole_lacks_nothing(hosts: list[SpoolHost]) -> None:
    extents = list(log_extents(hosts[0].archive))
    assert [(one.name, one.first, one.last, one.objects, one.missing) for one in extents] == [
        (host.name, 0, 3, 4, 0) for host in hosts
    ]
    assert [one.newest.next_offset for one in extents if one.newest] == [20, 20, 20]


@pytest.mark.parametrize("gone", [[0], [0, 1], [1], [1, 2], [0, 2]])
def test_what_is_missing_is_counted_from_the_floor_on(
    hosts: list[SpoolHost], store: MemoryStore, gone: list[int]
) -> None:
    for segment in gone:
        store.delete(key(hosts[1], segment))
    assert [one.missing for one in log_extents(hosts[0].archive)] == [0, len(gone), 0]


def test_what_lies_below_the_floor_is_not_missing(hosts: list[SpoolHost], store: MemoryStore) -> None:
    hosts[1].archive.raise_floor(hosts[1].name, 2)
    store.delete(key(hosts[1], 0))
    extents = list(log_extents(hosts[0].archive))
    assert [(one.first, one.objects, one.missing) for one in extents] == [(0, 4, 0), (2, 2, 0), (0, 4, 0)]


@pytest.mark.parametrize("broken", range(3))
def test_a_damaged_footer_hides_no_other_log(
    hosts: list[SpoolHost], store: MemoryStore, broken: int, caplog: pytest.LogCaptureFixture
) -> None:
    store.delete(key(hosts[broken], 3))
    store.put_if_absent(key(hosts[broken], 3), b"<html>", {})
    extents = list(log_extents(hosts[0].archive))
    assert [one.objects for one in extents] == [4, 4, 4]
    assert [one.newest is None for one in extents] == [number == broken for number in range(3)]
    assert hosts[broken].log.id in caplog.text


@pytest.mark.parametrize("broken", range(3))
def test_a_damaged_floor_hides_no_other_log(hosts: list[SpoolHost], store: MemoryStore, broken: int) -> None:
    store.put_if_absent(f"{ROOT}/_meta/floors/events/{hosts[broken].log.id}", b"\0", {})
    extents = list(log_extents(hosts[0].archive))
    assert [one.name for one in extents] == [host.name for host in hosts]
    assert [one.missing for one in extents] == [None if number == broken else 0 for number in range(3)]
