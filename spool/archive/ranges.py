"""Which offsets of a log the archive holds, from footers alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from spool.archive.archive import Archive
from spool.names import LogName

_READERS = 8


class ArchivedRange(NamedTuple):
    """A run of segments without a gap: offsets `first` to `next` - 1, of which `holes` have no event."""

    first: int
    next: int
    first_segment: int
    last_segment: int
    holes: tuple[tuple[int, int], ...]

    @property
    def hole_count(self) -> int:
        return sum(after - first for first, after in self.holes)


def archived_ranges(archive: Archive, name: LogName, *, until: int | None = None) -> list[ArchivedRange]:
    """The log's runs in order; more than one means gaps. Ends with the segment before number `until`."""
    ranges: list[ArchivedRange] = []
    for segment in _indices(archive, name, until):
        number, first, after, holes = segment
        last = ranges[-1] if ranges else None
        if last is not None and last.last_segment + 1 == number and last.next == first:
            ranges[-1] = ArchivedRange(last.first, after, last.first_segment, number, last.holes + holes)
        else:
            ranges.append(ArchivedRange(first, after, number, number, holes))
    return ranges


def _indices(
    archive: Archive, name: LogName, until: int | None
) -> Iterator[tuple[int, int, int, tuple[tuple[int, int], ...]]]:
    numbers = [n for n in archive.segments(name) if until is None or n < until]
    with ThreadPoolExecutor(_READERS) as readers:
        for index in readers.map(lambda number: archive.index(name, number), numbers):
            holes = tuple((hole.first, hole.next) for hole in index.holes)
            yield index.segment, index.first_offset, index.next_offset, holes
