"""A backlog of any length: the same work and the same memory for each segment."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool.log import reader
from spool.shipping import fork, waiting_segments
from tests.fakes.memory_store import MemoryStore
from tests.support.spool_host import SpoolHost, numbered, values


@pytest.mark.parametrize("segments", [20, 80])
def test_the_folder_is_not_listed_for_each_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segments: int
) -> None:
    host = SpoolHost(tmp_path / "spool", MemoryStore())
    host.append_segments("a", segments, events=1)
    listings, list_files = [], waiting_segments.segment_files

    def counted(path: Path) -> list[object]:
        listings.append(path)
        return list_files(path)

    monkeypatch.setattr(waiting_segments, "segment_files", counted)
    monkeypatch.setattr(fork, "segment_files", counted)
    assert host.ship().objects == segments
    assert len(listings) <= 3
    assert host.files() == [f"{segments:012d}.open"]


def test_a_fork_holds_two_segments_of_its_backlog_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    first = SpoolHost(tmp_path / "first", store)
    first.append("both")
    second = first.snapshot(tmp_path / "second", detected=False)
    first.append("one")
    first.ship()
    second.append_segments("two", 12)
    alive: list[int] = []
    most = []

    class Watched(list[reader.Commit]):
        def __init__(self, commits: list[reader.Commit]) -> None:
            super().__init__(commits)
            alive.append(1)
            most.append(len(alive))

        def __del__(self) -> None:
            alive.pop()

    read = reader.read_sealed
    monkeypatch.setattr(fork, "read_sealed", lambda path: (c := read(path))._replace(commits=Watched(c.commits)))
    for _ in range(3):
        second.ship()
    assert values(store) == sorted(["both", "one", *numbered("two", 12)])
    assert len(most) >= 12
    assert max(most) <= 2
