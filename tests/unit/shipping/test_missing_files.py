"""A folder that lacks files: said with an alarm, never taken for a folder with nothing to ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool.errors import OperatorNeeded
from spool.log.shipped import ShippedState, read_shipped
from tests.fakes.memory_store import MemoryStore
from tests.support.spool_host import SpoolHost, archived, numbered, values

SEGMENTS = 4


@pytest.fixture
def host(tmp_path: Path) -> SpoolHost:
    host = SpoolHost(tmp_path / "spool", MemoryStore())
    host.append_segments("a", SEGMENTS)
    host.log.close()
    return host


def alarmed(host: SpoolHost) -> bool:
    return ("segment_missing", str(host.name)) in host.alarms.now


@pytest.mark.parametrize("gone", [{0}, {1}, {3}, {0, 1}, {1, 2}, {0, 1, 2, 3}, {0, 3}, {0, 1, 2, 3, 4}])
def test_whichever_files_are_missing_the_log_stops_there_until_they_are_back(host: SpoolHost, gone: set[int]) -> None:
    away = []
    for number in gone:
        [path] = host.log.path.glob(f"{number:012d}.*")
        away.append((path, path.read_bytes()))
        path.unlink()
    with pytest.raises(OperatorNeeded, match="segment") as caught:
        host.ship()
    assert "bring the missing file back" in caught.value.hint
    assert alarmed(host)
    # What is before the gap is shipped as far as the identity of each is known, and nothing behind it is.
    assert [one.offset for one in archived(host.store)] == list(range(5 * max(0, min(gone) - 1)))
    for path, data in away:
        path.write_bytes(data)
    host.ship()
    assert values(host.store) == numbered("a", SEGMENTS)
    assert not alarmed(host)


def test_a_lost_record_of_a_log_that_is_shipped_to_its_end_is_no_gap(host: SpoolHost) -> None:
    host.ship()
    (host.log.path / "shipped").unlink()
    host.ship()
    assert read_shipped(host.log.path) == ShippedState(SEGMENTS - 1, 5 * SEGMENTS)
    assert host.alarms.ever == []


def test_files_that_are_in_the_store_need_not_be_here(host: SpoolHost, tmp_path: Path) -> None:
    twin = host.snapshot(tmp_path / "twin", detected=False)
    twin.ship()
    for number in (1, 2):
        (host.log.path / f"{number:012d}.sealed").unlink()
    host.append("later")
    host.ship()
    assert values(host.store) == sorted([*numbered("a", SEGMENTS), "later"])
    assert host.alarms.ever == []


def test_a_file_that_is_renamed_while_the_folder_is_listed_is_no_gap(
    host: SpoolHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spool.shipping import waiting_segments

    list_files = waiting_segments.segment_files
    monkeypatch.setattr(
        waiting_segments, "segment_files", lambda path: [f for f in list_files(path) if f.segment != SEGMENTS - 1]
    )
    assert host.shipper().ship_once().objects == SEGMENTS
    assert host.alarms.ever == []


def test_a_log_that_was_just_begun_lacks_nothing(tmp_path: Path) -> None:
    host = SpoolHost(tmp_path / "spool", MemoryStore())
    assert host.log.id
    assert host.ship().objects == 0
    assert host.alarms.ever == []
