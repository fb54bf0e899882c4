"""
The table of producers as the holder of the log's lock has it: brought up to date from the log's own commits.

    no file yet         the first sequence of this log: the table of the log that it continues is saved, or an empty one
    a file              read, then the commits behind it
    read before         only what others have committed since

Every unit that is looked up is below the synced end: a table read from elsewhere could promise what a power loss
takes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from spool.disk import Disk
from spool.errors import CorruptSegment, ProducerConflict
from spool.event import SPOOL_HEADER
from spool.format import record_batch
from spool.format.position_header import Unit, decode_unit
from spool.format.scan import Expected, scan
from spool.format.segment_header import decode_segment_header, log_tag
from spool.log.folder import LogFolder, sealed_path, segment_files
from spool.log.lock_file import LockState
from spool.log.producer_file import SavedProducers, read_producers, save_producers
from spool.log.producers import ProducerTable
from spool.log.reader import next_header, read_sealed

_HEADER_MARK = bytes([2 * len(SPOOL_HEADER)]) + SPOOL_HEADER.encode()


class SegmentBytes(Protocol):
    """The open segment's file."""

    def read(self, start: int, end: int) -> bytes: ...


class _Cursor(NamedTuple):
    """Up to where commits are in the table. `end` is a byte of the open segment, 0 where that is not known."""

    segment: int
    offset: int
    end: int
    next_commit: int


class ProducerState:
    """One log's. Everything but `forget` needs the log's lock."""

    def __init__(self, log: LogFolder, disk: Disk, *, after: tuple[str, int] | None) -> None:
        self._log = log
        self._disk = disk
        self._after = after
        self._table: ProducerTable | None = None
        self._cursor = _Cursor(0, 0, 0, 0)

    def forget(self) -> None:
        """Read everything again at the next use."""
        self._table = None

    def current(self, state: LockState, segment: SegmentBytes) -> ProducerTable:
        """The table of all that is below the synced end. ProducerConflict where it cannot be known; OSError."""
        if self._table is None:
            self._load(state)
        assert self._table is not None
        if self._is_ahead(state):
            self._load(state)  # recovery cut commits that are in the table; their offsets are given again
        try:
            self._read_on(state, segment)
        except FileNotFoundError:
            # Another process has saved the table since, and shipping removed the segments that are in it.
            self._load(state)
            self._read_again(state, segment)
        return self._table

    def appended(self, state: LockState, size_bytes: int, event_count: int) -> None:
        """One commit was written behind `state`, by this process; its units are noted by the caller."""
        if self._table is not None and (self._cursor.segment, self._cursor.end) == (state.segment, state.synced_end):
            end, offset = state.synced_end + size_bytes, state.next_offset + event_count
            self._cursor = _Cursor(state.segment, offset, end, state.next_commit + 1)

    def save(self, state: LockState) -> None:
        """Replace the file by the table as it is now."""
        assert self._table is not None
        save_producers(self._log.path, self._disk, SavedProducers(state.segment, state.next_offset, self._table))

    def _load(self, state: LockState) -> None:
        self._table = None
        saved = read_producers(self._log.path)
        if saved is None:
            # Saved before the first sequence is written, and used only then: a log without the file has none.
            # A fork may have moved some here, so what is on this host is read.
            first = min(file.segment for file in segment_files(self._log.path))
            saved = SavedProducers(first, 0, inherited_table(self._log, self._after))
            save_producers(self._log.path, self._disk, saved)
        self._table = saved.table
        self._cursor = _Cursor(saved.segment, saved.offset, 0, 0)

    def _is_ahead(self, state: LockState) -> bool:
        """Whether the log was cut below the cursor since."""
        if self._cursor.segment >= state.segment:
            return (self._cursor.segment, self._cursor.offset) > (state.segment, state.next_offset)
        following = next_header(sealed_path(self._log.path, self._cursor.segment))
        return following is not None and following.begins_at < self._cursor.offset

    def _read_again(self, state: LockState, segment: SegmentBytes) -> None:
        try:
            self._read_on(state, segment)
        except FileNotFoundError as error:
            self._table = None
            raise ProducerConflict(
                f"{self._log.name}: {error.filename} is needed for the table of producers and is gone",
                hint="docs/runbooks/producers.md: bring it back, or begin a new log",
            ) from error

    def _read_on(self, state: LockState, segment: SegmentBytes) -> None:
        assert self._table is not None
        if self._cursor.segment < state.segment:
            offset = note_sealed(self._table, self._log, self._cursor.segment, self._cursor.offset, state.segment)
            self._cursor = _Cursor(state.segment, max(offset, self._cursor.offset), 0, 0)
        if self._cursor.end < state.synced_end:
            self._read_open(state, segment)

    def _read_open(self, state: LockState, segment: SegmentBytes) -> None:
        assert self._table is not None
        cursor = self._cursor
        data = segment.read(cursor.end, state.synced_end)
        if len(data) < state.synced_end - cursor.end:
            raise CorruptSegment(f"{state.segment}", cursor.end, "shorter than its synced end")
        at, expected = 0, Expected(log_tag(self._log.log), cursor.offset, cursor.next_commit)
        if cursor.end == 0:
            header, at = decode_segment_header(data, f"segment {state.segment}")
            expected = Expected(expected.tag, header.first_offset, header.next_commit)
        for commit in scan(data, at, expected).commits:
            if commit.first_offset >= cursor.offset:
                note_units(self._table, self._log.log, data[commit.start : commit.end])
        self._cursor = _Cursor(state.segment, state.next_offset, state.synced_end, state.next_commit)


def advance(log: LogFolder, disk: Disk, segment: int) -> None:
    """
    Save the table as it was when `segment` began, from sealed segments alone: no lock of the log is needed.

    For shipping, which may remove the segments before it afterwards. ProducerConflict, CorruptSegment, OSError.
    """
    saved = read_producers(log.path)
    if saved is None or saved.segment >= segment:
        return
    offset = note_sealed(saved.table, log, saved.segment, saved.offset, segment)
    save_producers(log.path, disk, SavedProducers(segment, offset, saved.table))


def inherit(log: LogFolder, disk: Disk, after: tuple[str, int]) -> None:
    """
    For a log that takes over another one's commits: what that one knows of its producers, before its files are moved.

    LockTimeout, ProducerConflict, OSError.
    """
    earlier = log.path.parent / after[0]
    if read_producers(log.path) is None and read_producers(earlier) is not None:
        save_producers(log.path, disk, SavedProducers(0, 0, inherited_table(log, after)))


def inherited_table(log: LogFolder, after: tuple[str, int] | None) -> ProducerTable:
    """
    What a log that begins takes over from the one that it continues, if that is in the same folder.

    An earlier log that had no producers is inherited all the same: what it lacks was never written.
    """
    if after is None:
        return ProducerTable()
    earlier = LogFolder(log.stream, after[0], log.path.parent / after[0])
    if not earlier.path.is_dir():
        return ProducerTable()
    saved = read_producers(earlier.path)
    if saved is None:
        return ProducerTable(inherited=[earlier.log])
    last = max((file.segment for file in segment_files(earlier.path) if file.state == "sealed"), default=-1)
    try:
        note_sealed(saved.table, earlier, saved.segment, saved.offset, last + 1)
    except FileNotFoundError:
        return ProducerTable()  # a fork has put them away: what they hold is in this log
    return ProducerTable(saved.table.entries, {*saved.table.inherited, earlier.log})


def note_sealed(table: ProducerTable, log: LogFolder, segment: int, offset: int, stop: int) -> int:
    """The units of sealed segments from `segment` to `stop` - 1, behind `offset`; the next offset afterwards."""
    for number in range(segment, stop):
        following = next_header(sealed_path(log.path, number))
        if following is not None and following.begins_at <= offset:
            continue  # all of it was read, or written by this process
        contents = read_sealed(sealed_path(log.path, number))
        for commit in contents.commits:
            if commit.first_offset >= offset:
                note_units(table, log.log, commit.frame)
        offset = max(offset, contents.next_offset)
    return offset


def note_units(table: ProducerTable, log: str, frame: bytes) -> None:
    for unit, first in units_of(frame):
        table.note(unit, log, first)


def units_of(frame: bytes) -> Iterator[tuple[Unit, int]]:
    """The units of a commit, each with its first offset."""
    if _HEADER_MARK not in frame:
        return  # nearly every commit; looking at each record costs a hundred times as much
    for record in record_batch.records(frame):
        if record.headers and record.headers[0][0] == SPOOL_HEADER:
            unit = decode_unit(record.headers[0][1] or b"")
            if unit is not None:
                yield unit, record.offset
