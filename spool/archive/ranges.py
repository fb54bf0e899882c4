"""Which offsets of a log the archive holds, from footers alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from spool.archive.archive import Archive
from spool.format.segment_index import ArchivedSegment
from spool.names import LogName

_READERS = 8


class ArchivedRange(NamedTuple):
    """
    A run of segments without a gap: offsets `first` to `next` - 1, of which `holes` have no event.

    starts  the first offset of each segment of the run
    """

    first: int
    next: int
    first_segment: int
    last_segment: int
    holes: tuple[tuple[int, int], ...]
    starts: tuple[int, ...]

    @property
    def hole_count(self) -> int:
        return sum(after - first for first, after in self.holes)


def archived_ranges(archive: Archive, name: LogName, *, until: int | None = None) -> list[ArchivedRange]:
    """The log's runs in order; more than one means gaps. Ends with the segment before number `until`."""
    runs: list[list[ArchivedSegment]] = []
    for index in _indices(archive, name, until):
        last = runs[-1][-1] if runs else None
        if last is not None and last.segment + 1 == index.segment and last.next_offset == index.first_offset:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [_range_of(run) for run in runs]


def _range_of(run: list[ArchivedSegment]) -> ArchivedRange:
    return ArchivedRange(
        run[0].first_offset,
        run[-1].next_offset,
        run[0].segment,
        run[-1].segment,
        tuple((hole.first, hole.next) for index in run for hole in index.holes),
        tuple(index.first_offset for index in run),
    )


def _indices(archive: Archive, name: LogName, until: int | None) -> Iterator[ArchivedSegment]:
    """In order, without their chunks: a log may have a hundred thousand."""
    numbers = [n for n in archive.segments(name) if until is None or n < until]
    with ThreadPoolExecutor(_READERS) as readers:
        yield from readers.map(lambda number: archive.index(name, number)._replace(chunks=()), numbers)
