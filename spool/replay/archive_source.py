"""
The chunks of one log from a checkpoint on, read ahead by a few threads.

The next object is asked for by its name; a missing one ends the series for now, and a listing, at the start and once
a minute, decides whether it is the end of the log or a gap (rule 20).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from spool.archive.archive import Archive
from spool.errors import LogGap, ObjectMissing
from spool.format.segment_index import ArchivedSegment, Chunk
from spool.names import LogName

# Objects of 16 MB shrink to about 4; three in memory keep two cores busy and stay far below 200 MB.
READ_AHEAD = 3
LIST_EVERY_S = 60.0


class SourceChunk(NamedTuple):
    """
    A chunk and where the log goes on behind it.

    next_segment, next_offset  the checkpoint after this chunk: the next segment where this is a segment's last chunk
    """

    segment: ArchivedSegment
    chunk: Chunk
    next_segment: int
    next_offset: int


class ArchiveSource:
    """One log's chunks in order. Not thread-safe; the threads behind it are its own."""

    def __init__(self, archive: Archive, name: LogName, readers: ThreadPoolExecutor) -> None:
        self._archive = archive
        self._name = name
        self._readers = readers
        self._ahead: deque[tuple[int, Future[ArchivedSegment]]] = deque()
        self._waiting: deque[SourceChunk] = deque()
        self._segment = 0
        self._offset = 0
        self._listed_at = -LIST_EVERY_S
        self._backlog = False

    def seek(self, segment: int, offset: int) -> None:
        """Continue with `offset`, which is in `segment` or is its first."""
        self._segment, self._offset = segment, offset
        self._ahead.clear()
        self._waiting.clear()
        self._listed_at = -LIST_EVERY_S

    def peek(self) -> SourceChunk | None:
        """The next chunk, None at the end of the archive. LogGap; CorruptObject; StoreUnavailable."""
        while not self._waiting:
            segment = self._next_segment()
            if segment is None:
                return None
            self._waiting.extend(self._chunks_of(segment))
        return self._waiting[0]

    def take(self) -> SourceChunk:
        """The chunk that `peek` showed."""
        return self._waiting.popleft()

    def first_segment(self) -> ArchivedSegment | None:
        """The index of the log's first segment, which the floor names; None for an empty log. LogGap."""
        floor = self._archive.floor(self._name).segment
        number = next(self._archive.segments(self._name, floor), None)
        if number is not None and number > floor:
            raise self._gap(floor, number)
        return None if number is None else self._archive.index(self._name, number)

    def _next_segment(self) -> ArchivedSegment | None:
        number = self._segment
        if not self._ahead or self._ahead[0][0] != number:
            self._ahead.clear()
        self._read_ahead()
        try:
            segment = self._ahead.popleft()[1].result()
        except ObjectMissing:
            self._ahead.clear()
            self._backlog = False
            self._refuse_gap(number)
            return None
        self._backlog = True
        if segment.first_offset > self._offset and not _holes_cover(segment, self._offset):
            raise LogGap(
                f"{self._name}: segment {number} begins at offset {segment.first_offset}, expected was {self._offset}",
                hint="offsets are missing between two segments: see docs/runbooks/gap.md",
            )
        self._segment = number + 1
        return segment

    def _read_ahead(self) -> None:
        """Within a backlog several objects at once; at the end of the log only the next, which is mostly missing."""
        depth = READ_AHEAD if self._backlog else 1
        after = self._ahead[-1][0] + 1 if self._ahead else self._segment
        for number in range(after, self._segment + depth):
            self._ahead.append((number, self._readers.submit(self._archive.read, self._name, number)))

    def _refuse_gap(self, number: int) -> None:
        if time.monotonic() - self._listed_at < LIST_EVERY_S:
            return
        self._listed_at = time.monotonic()
        next_segment = next(self._archive.segments(self._name, number), None)
        if next_segment is not None and next_segment > number:
            self._listed_at = -LIST_EVERY_S
            raise self._gap(number, next_segment)

    def _gap(self, missing: int, following: int) -> LogGap:
        return LogGap(
            f"{self._name}: segment {missing} is missing, segment {following} is there",
            hint="the host that wrote it may still have it: see docs/runbooks/gap.md",
        )

    def _chunks_of(self, segment: ArchivedSegment) -> Iterator[SourceChunk]:
        """The chunks from the offset on. A segment that ends in holes moves the checkpoint with its last chunk."""
        chunks = [chunk for chunk in segment.chunks if chunk.next_offset > self._offset]
        if not chunks and segment.next_offset > self._offset:
            # Nothing but holes: an empty chunk carries the checkpoint over them.
            chunks = [Chunk(self._offset, segment.next_offset, 0, 0, (), 0)]
        # A segment that was delivered whole must not move the offset back.
        self._offset = max(self._offset, segment.next_offset)
        for number, chunk in enumerate(chunks):
            if number == len(chunks) - 1:
                yield SourceChunk(segment, chunk, segment.segment + 1, segment.next_offset)
            else:
                yield SourceChunk(segment, chunk, segment.segment, chunks[number + 1].first_offset)


def _holes_cover(segment: ArchivedSegment, offset: int) -> bool:
    """Whether the segment says that no event has the offsets between `offset` and its first one."""
    for hole in sorted(segment.holes):
        if hole.first <= offset < hole.next:
            offset = hole.next
    return offset >= segment.first_offset
