"""
Reading a log: sealed segments whole, the open one only up to the synced end. Readers never change anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from spool.errors import CorruptSegment
from spool.format.scan import CommitAt, Expected, Hole, Scan, scan
from spool.format.segment_header import (
    HEADER_BYTES_MAX,
    NewerVersion,
    SegmentHeader,
    decode_segment_header,
    log_tag,
    refuse_foreign,
)
from spool.log.folder import LogFolder, SegmentFile, open_path, sealed_path, segment_files
from spool.log.lock_file import read_state_of

__all__ = ["Commit", "Hole", "SegmentContents", "read_sealed", "sealed_identity", "tail"]


class Commit(NamedTuple):
    """A whole commit: `frame` is its record batch, every check passed."""

    first_offset: int
    number: int
    event_count: int
    max_timestamp_ms: int
    frame: bytes


class SegmentContents(NamedTuple):
    """
    A sealed segment: offsets `first_offset` to `next_offset` - 1, each in a commit or in a hole.

    next_offset  the first offset of the next segment
    sha256       of the file as it is now
    identity     the sha256 noted at sealing, in the next segment's header; empty where there is no next segment
    """

    header: SegmentHeader
    commits: list[Commit]
    holes: tuple[Hole, ...]
    next_offset: int
    sha256: str
    identity: str

    @property
    def first_offset(self) -> int:
        """Where the segment before it ended: a hole may precede the first commit."""
        return self.header.begins_at


def read_sealed(path: Path) -> SegmentContents:
    """A sealed segment with its holes. CorruptSegment if its offsets can no longer be determined."""
    data = path.read_bytes()
    log = LogFolder(path.parent.parent.name, path.parent.name, path.parent)
    header, scanned = _header_and_scan(path, log, data)
    following = next_header(path)
    if following is not None:
        scanned = _ended(scanned, header.first_offset, following.begins_at, len(data))
    holes = scanned.holes
    if header.begins_at < header.first_offset:
        holes = (Hole(header.begins_at, header.first_offset, "nothing of it passed its checks"), *holes)
    commits = [_commit(data, commit) for commit in scanned.commits]
    identity = following.previous_sha256 if following else ""
    return SegmentContents(header, commits, holes, scanned.next_offset, hashlib.sha256(data).hexdigest(), identity)


def _ended(scanned: Scan, first_offset: int, next_offset: int, size_bytes: int) -> Scan:
    """
    What a segment holds when the next one begins at `next_offset`: that was decided under the lock.

    Commits beyond it were cut (a failed fsync) and came back with a power loss: their offsets were given again.
    """
    commits = tuple(commit for commit in scanned.commits if commit.next_offset <= next_offset)
    end = commits[-1].next_offset if commits else first_offset
    holes = tuple(hole for hole in scanned.holes if hole.next <= end)
    if end < next_offset:
        holes = (*holes, Hole(end, next_offset, f"{size_bytes - scanned.end} bytes behind the last commit"))
    return scanned._replace(commits=commits, holes=holes, next_offset=next_offset)


def sealed_identity(path: Path) -> str:
    """The sha256 noted when the segment was sealed; empty where there is no next segment yet."""
    following = next_header(path)
    return following.previous_sha256 if following else ""


def next_header(path: Path) -> SegmentHeader | None:
    """The header of the segment after `path`; None where that is missing or damaged."""
    number = int(path.name.split(".")[0]) + 1
    for candidate in (sealed_path(path.parent, number), open_path(path.parent, number)):
        try:
            with candidate.open("rb") as file:
                return decode_segment_header(file.read(HEADER_BYTES_MAX), candidate.name)[0]
        except (FileNotFoundError, CorruptSegment):
            continue
    return None


def tail(log: LogFolder, from_offset: int = 0) -> Iterator[Commit]:
    """The commits from `from_offset` on that are still on this host, up to the synced end at this moment."""
    state = read_state_of(log.path)
    for file in segment_files(log.path):
        if file.state == "open" and (state is None or state.segment != file.segment):
            return
        data = _bytes_of(file)
        if data is None:
            continue
        if state is not None and state.segment == file.segment:
            data = data[: state.synced_end]
        _, scanned = _header_and_scan(file.path, log, data)
        for commit in scanned.commits:
            if commit.next_offset > from_offset:
                yield _commit(data, commit)


def _bytes_of(file: SegmentFile) -> bytes | None:
    """None where the segment was shipped and removed; it may have been sealed since its name was read."""
    for path in (file.path, sealed_path(file.path.parent, file.segment)):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            continue
    return None


def _header_and_scan(path: Path, log: LogFolder, data: bytes) -> tuple[SegmentHeader, Scan]:
    try:
        header, size = decode_segment_header(data, path.name)
        refuse_foreign(header, log.stream, log.log, path.name)
    except CorruptSegment as error:
        header, size = _header_from_neighbours(path, log, error), 0
    return header, scan(data, size, Expected(log_tag(log.log), header.first_offset, header.next_commit))


def _header_from_neighbours(path: Path, log: LogFolder, error: CorruptSegment) -> SegmentHeader:
    """Where the header is damaged: the segment before says where this one begins."""
    number = int(path.name.split(".")[0])
    before = sealed_path(path.parent, number - 1)
    if isinstance(error, NewerVersion) or (number > 0 and not before.exists()):
        raise error
    if number == 0:
        return SegmentHeader(log.stream, log.log, 0, 0, 0)
    data = before.read_bytes()
    _, scanned = _header_and_scan(before, log, data)
    sha256 = hashlib.sha256(data).hexdigest()
    return SegmentHeader(log.stream, log.log, number, scanned.next_offset, scanned.next_commit, sha256)


def _commit(data: bytes, at: CommitAt) -> Commit:
    count = at.next_offset - at.first_offset
    return Commit(at.first_offset, at.number, count, at.max_timestamp_ms, data[at.start : at.end])
