"""
What to do with a log whose last writer is not known to have ended well. Only under the log's lock.

Runs when the machine was restarted, a segment is marked failed, or a check fails; otherwise a writer continues in the
open segment. Whatever state a crash left, the outcome is the same: all whole commits are in sealed segments, the next
segment is open with a header only, nothing that was ever durable is deleted.

    no segment                 create the first
    highest is sealed          create the next
    highest is open, empty     rewrite it under its own number
    highest is open            close it behind its last whole commit, create the next
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import NamedTuple

from spool import failpoints
from spool.alarm import AlarmSink
from spool.disk import Disk, write_all
from spool.durable_file import remove_leftovers, write_file
from spool.errors import CorruptSegment
from spool.format.record_batch import HEADER_BYTES
from spool.format.scan import RECORD_BYTES_MIN, Expected, Hole, Scan, scan
from spool.format.segment_header import (
    NewerVersion,
    SegmentHeader,
    decode_segment_header,
    encode_segment_header,
    log_tag,
    refuse_foreign,
)
from spool.log.folder import LogFolder, SegmentFile, open_path, sealed_path, segment_files
from spool.log.shipped import read_shipped

LOGGER = logging.getLogger(__name__)

failpoints.declare(
    "log.recovery.cut", "log.recovery.renamed", "log.recovery.folder_synced", "log.recovery.rewritten",
    "log.open.written", "log.open.synced",
)  # fmt: skip


class OpenSegment(NamedTuple):
    """An open segment that holds nothing but its header."""

    segment: int
    synced_end: int
    next_offset: int
    next_commit: int


class _Closed(NamedTuple):
    """What a closed segment says of the next one."""

    next_offset: int
    next_commit: int
    sha256: str


def recover(
    log: LogFolder, disk: Disk, alarms: AlarmSink, *, after: tuple[str, int] | None, synced_end: int | None = None
) -> OpenSegment:
    """
    Bring the log into a state that can be written, and return its open segment.

    synced_end: for a segment whose fsync failed in this boot; what follows was reported `unknown` and is truncated.
    after: what the log continues, for the header of its first segment.
    """
    remove_leftovers(disk, log.path)
    files = segment_files(log.path)
    if not files:
        return create_segment(log, disk, SegmentHeader(log.stream, log.log, 0, 0, 0, after=after, previous_next=0))
    last = files[-1]
    if last.state == "sealed":
        # Its rename may be the work of a process that died before this; the next segment must not be durable alone.
        disk.sync_folder(log.path)
        return _create_next(log, disk, last.segment, _closed_state(log, last))
    closed = _close(log, disk, alarms, last, synced_end)
    if closed is None:
        return _rewrite_empty(log, disk, alarms, files, after)
    return _create_next(log, disk, last.segment, closed)


def create_segment(log: LogFolder, disk: Disk, header: SegmentHeader) -> OpenSegment:
    """
    Make the open segment with its header.

    1. write the header   2. fdatasync   3. fsync the folder
    """
    frame = encode_segment_header(header)
    descriptor = disk.open(open_path(log.path, header.segment), os.O_CREAT | os.O_RDWR | os.O_TRUNC)
    try:
        write_all(disk, descriptor, frame, 0)
        failpoints.reach("log.open.written")
        disk.sync_data(descriptor)
    finally:
        os.close(descriptor)
    failpoints.reach("log.open.synced")
    disk.sync_folder(log.path)
    return OpenSegment(header.segment, len(frame), header.first_offset, header.next_commit)


def scan_segment(path: Path, log: LogFolder, data: bytes) -> tuple[SegmentHeader, Scan]:
    """Header and commits of a whole segment file. CorruptSegment where its header is none of this log."""
    header, size = decode_segment_header(data, path.name)
    refuse_foreign(header, log.stream, log.log, path.name)
    return header, scan(data, size, Expected(log_tag(log.log), header.first_offset, header.next_commit))


def _create_next(log: LogFolder, disk: Disk, segment: int, closed: _Closed) -> OpenSegment:
    header = SegmentHeader(
        log.stream, log.log, segment + 1, closed.next_offset, closed.next_commit, closed.sha256,
        previous_next=closed.next_offset,
    )  # fmt: skip
    return create_segment(log, disk, header)


def _closed_state(log: LogFolder, last: SegmentFile) -> _Closed:
    data = last.path.read_bytes()
    _, scanned = scan_segment(last.path, log, data)
    return _Closed(scanned.next_offset, scanned.next_commit, hashlib.sha256(data).hexdigest())


def _rewrite_empty(
    log: LogFolder, disk: Disk, alarms: AlarmSink, files: list[SegmentFile], after: tuple[str, int] | None
) -> OpenSegment:
    """The open segment has no commit, and maybe no whole header: rewrite it, beside and then in place."""
    last = files[-1]
    data = last.path.read_bytes()
    header = _header_anew(log, files, data, after)
    frame = encode_segment_header(header._replace(nonce=""))
    if len(data) >= len(frame) + HEADER_BYTES and not _is_whole_header(data, last.path.name):
        # Commits that were acknowledged may have stood behind the damaged header: their offsets are not given again.
        lost = Hole(
            header.first_offset, header.first_offset + len(data) // RECORD_BYTES_MIN, "nothing passes its checks"
        )
        alarms.open("log_suspected_hole", str(log.name), f"segment {last.segment}: {_ranges((lost,))}")
        header = header._replace(first_offset=lost.next)
        frame = encode_segment_header(header._replace(nonce=""))
    if len(data) > len(frame):
        _keep_beside(disk, last, data, 0)
    write_file(disk, open_path(log.path, last.segment), frame)
    failpoints.reach("log.recovery.rewritten")
    return OpenSegment(last.segment, len(frame), header.first_offset, header.next_commit)


def _header_anew(log: LogFolder, files: list[SegmentFile], data: bytes, after: tuple[str, int] | None) -> SegmentHeader:
    last = files[-1]
    if _is_whole_header(data, last.path.name):
        return decode_segment_header(data, last.path.name)[0]
    before = _state_before(log, files)
    after = after if last.segment == 0 else None
    return SegmentHeader(
        log.stream, log.log, last.segment, before.next_offset, before.next_commit, before.sha256, after,
        previous_next=before.next_offset,
    )  # fmt: skip


def _state_before(log: LogFolder, files: list[SegmentFile]) -> _Closed:
    """Where the last segment begins, when its own header does not say: as the one before ended, here or shipped."""
    last = files[-1]
    if len(files) > 1:
        return _closed_state(log, files[-2])
    if last.segment == 0:
        return _Closed(0, 0, "")
    shipped = read_shipped(log.path)
    if shipped.segment != last.segment - 1:
        raise CorruptSegment(last.path.name, 0, "its header is damaged, and no earlier segment shows its offset")
    # The number of its next commit left with it; any will do, each segment says its own.
    return _Closed(shipped.next_offset, 0, "")


def _is_whole_header(data: bytes, name: str) -> bool:
    try:
        decode_segment_header(data, name)
    except CorruptSegment:
        return False
    return True


def _close(log: LogFolder, disk: Disk, alarms: AlarmSink, last: SegmentFile, synced_end: int | None) -> _Closed | None:
    """
    Seal the open segment behind its last whole commit; None where it holds none.

    1. save, then truncate, bytes that are not a complete commit   2. fdatasync   3. rename   4. fsync the folder
    """
    data = last.path.read_bytes()
    try:
        header, size = decode_segment_header(data, last.path.name)
    except NewerVersion:
        raise
    except CorruptSegment:
        return _close_headless(log, disk, alarms, last, data)
    refuse_foreign(header, log.stream, log.log, last.path.name)
    scanned = scan(data[:synced_end], size, Expected(log_tag(log.log), header.first_offset, header.next_commit))
    if not scanned.commits and scanned.tail != "suspected":
        return None
    keep = scanned.end if scanned.tail == "torn" or synced_end is not None else len(data)
    descriptor = disk.open(last.path, os.O_RDWR)
    try:
        if keep < len(data):
            _keep_beside(disk, last, data, keep)
            disk.truncate(descriptor, keep)
            failpoints.reach("log.recovery.cut")
        disk.sync_data(descriptor)
    finally:
        os.close(descriptor)
    _raise_alarms(log, alarms, last, scanned)
    disk.rename(last.path, sealed_path(log.path, last.segment))
    failpoints.reach("log.recovery.renamed")
    disk.sync_folder(log.path)
    failpoints.reach("log.recovery.folder_synced")
    return _Closed(scanned.next_offset, scanned.next_commit, hashlib.sha256(data[:keep]).hexdigest())


def _close_headless(log: LogFolder, disk: Disk, alarms: AlarmSink, last: SegmentFile, data: bytes) -> _Closed | None:
    """A segment with commits but a damaged header gets a new header; the damaged file is kept beside."""
    before = _state_before(log, segment_files(log.path))
    scanned = scan(data, 0, Expected(log_tag(log.log), before.next_offset, before.next_commit))
    if not scanned.commits:
        return None
    _keep_beside(disk, last, data, 0)
    first = scanned.commits[0].number
    header = SegmentHeader(
        log.stream, log.log, last.segment, before.next_offset, first, before.sha256, previous_next=before.next_offset
    )
    whole = encode_segment_header(header) + data[scanned.commits[0].start :]
    write_file(disk, last.path, whole)
    alarms.open("log_header_damaged", str(log.name), f"segment {last.segment} got a new header")
    return _close(log, disk, alarms, last, None)


def _keep_beside(disk: Disk, last: SegmentFile, data: bytes, start: int) -> None:
    LOGGER.warning("%s: keeping %s bytes from byte %s beside it", last.path.name, len(data) - start, start)
    write_file(disk, last.path.with_name(f"{last.segment:012d}.torn-{start}"), data[start:])


def _raise_alarms(log: LogFolder, alarms: AlarmSink, last: SegmentFile, scanned: Scan) -> None:
    holes = scanned.holes[:-1] if scanned.tail == "suspected" else scanned.holes
    subject = str(log.name)
    if holes:
        alarms.open("log_hole", subject, f"segment {last.segment}: {_ranges(holes)}")
    if scanned.tail == "suspected":
        alarms.open("log_suspected_hole", subject, f"segment {last.segment}: {_ranges(scanned.holes[-1:])}")


def _ranges(holes: tuple[Hole, ...]) -> str:
    return ", ".join(f"offsets {hole.first} to {hole.next - 1}, {hole.reason}" for hole in holes)
