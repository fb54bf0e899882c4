"""
Reading a sealed segment for shipping (rule 14): under the identity that was recorded when it was sealed, whatever the
disk has made of its bytes since.

Bytes that do not give that identity are read a second time; if they still differ, what passes its checks is taken, and
the rest are holes.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from spool.errors import CorruptSegment
from spool.format.scan import Expected, Hole, scan
from spool.format.segment_header import SegmentHeader, log_tag
from spool.log.folder import LogFolder, SegmentFile
from spool.log.reader import Commit, SegmentContents, next_header, read_sealed
from spool.log.shipped import ShippedState


class SealedSource(NamedTuple):
    """A segment to be shipped. `damage` says what is wrong with its bytes, empty if nothing is."""

    contents: SegmentContents
    damage: str

    @property
    def identity(self) -> str:
        """Where the next header, which recorded it, is damaged as well, the bytes as they are must do."""
        return self.contents.identity or self.contents.sha256


def read_source(log: LogFolder, file: SegmentFile, shipped: ShippedState) -> SealedSource:
    """A sealed segment that has a successor on disk. CorruptSegment if its offsets can no longer be determined."""
    contents = _read(log, file, shipped)
    if _differs(contents):
        # Once more: a read error that did not say so must not become a hole.
        contents = _read(log, file, shipped)
    damage = f"sha256 is {contents.sha256}, was {contents.identity}" if _differs(contents) else ""
    return SealedSource(contents, damage)


def _differs(contents: SegmentContents) -> bool:
    return bool(contents.identity) and contents.sha256 != contents.identity


def _read(log: LogFolder, file: SegmentFile, shipped: ShippedState) -> SegmentContents:
    try:
        return read_sealed(file.path)
    except CorruptSegment as error:
        if shipped.segment != file.segment - 1 or "version" in error.reason:
            raise
        return _read_without_header(log, file, shipped.next_offset)


def _read_without_header(log: LogFolder, file: SegmentFile, first_offset: int) -> SegmentContents:
    """The header is damaged and the segment before it shipped and gone: it began where that one ended."""
    data = file.path.read_bytes()
    # The first commit's number is lost with the header. Any number follows 0.
    scanned = scan(data, 0, Expected(log_tag(log.log), first_offset, 0))
    following = next_header(file.path)
    end = scanned.commits[-1].next_offset if scanned.commits else first_offset
    next_offset = following.begins_at if following else scanned.next_offset
    inner = scanned.holes[:-1] if scanned.tail == "suspected" else scanned.holes
    lost = (Hole(end, next_offset, "no commit passes its checks"),) if next_offset > end else ()
    commits = [
        Commit(c.first_offset, c.number, c.next_offset - c.first_offset, c.max_timestamp_ms, data[c.start : c.end])
        for c in scanned.commits
    ]
    return SegmentContents(
        SegmentHeader(log.stream, log.log, file.segment, first_offset, 0),
        commits,
        (*inner, *lost),
        next_offset,
        hashlib.sha256(data).hexdigest(),
        following.previous_sha256 if following else "",
    )
