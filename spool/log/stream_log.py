"""
The current log of one stream in one folder: what producers append to.

Safe for threads (group commit), for processes (the log's lock) and for fork: the child closes what it inherited and
forgets what its parent had queued, because an idle child would otherwise keep a killed parent's lock. A fork waits for
nothing: locks of the parent's threads are replaced in the child.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from spool.alarm import AlarmSink
from spool.clock import Deadline
from spool.disk import Disk, make_folders
from spool.errors import AppendUnknown, EventRefused, FolderRefused
from spool.event import COMMIT_BYTES_MAX, Event, OffsetRange, ProducerPosition, ProducerSequence
from spool.format.event_record import encode
from spool.log.commit_queue import AnyCommit, CommitQueue
from spool.log.file_system import refuse_network
from spool.log.folder import LogFolder, log_folders, segment_files
from spool.log.identity import Identity, create_log, is_ours, read_identity, write_successor
from spool.log.local_alarms import AlarmsAfterwards, LocalAlarms
from spool.log.lock_file import LockState, locked_file
from spool.log.pending_commit import Part
from spool.log.producers import unit_of
from spool.log.refusal import disk_errors_refuse
from spool.log.reserve import Reserve
from spool.log.unit_commit import PendingUnit, UnitCommit
from spool.log.writer import LogRetired, LogWriter
from spool.settings import StreamSettings

TIMEOUT_S = 30.0

T = TypeVar("T")


class StreamLog:
    """Append, seal, look. Made by `StreamLog.open`."""

    def __init__(self, folder: Path, stream: StreamSettings, alarms: AlarmSink, disk: Disk, deadline: Deadline) -> None:
        self._folder = folder
        self._stream = stream
        self._alarms = alarms
        self._disk = disk
        self._queue = CommitQueue(self._write)
        self._writer = self._current_writer(deadline)
        _open_logs.add(self)

    @classmethod
    def open(
        cls,
        folder: Path,
        stream: StreamSettings,
        *,
        alarms: AlarmSink | None = None,
        disk: Disk | None = None,
        deadline: Deadline | None = None,
    ) -> StreamLog:
        """
        Find or begin this folder's log of the stream. FolderRefused, SpoolFull, LockTimeout (in 30 s unless given).

        alarms: files of the folder unless given. They are raised beside an append: never give a sink that calls others.
        A log that is here but belongs elsewhere (a cloned or restored folder) is sealed and continued by a new one.
        """
        disk = disk or Disk()
        return cls(folder, stream, alarms or LocalAlarms(folder, disk), disk, deadline or Deadline.after(TIMEOUT_S))

    @property
    def id(self) -> str:
        """The log's id; another one after a clone or a fork was noticed."""
        return self._writer.log.log

    @property
    def path(self) -> Path:
        """The log's folder."""
        return self._writer.log.path

    def append(
        self, events: Sequence[Event], *, group: bool, deadline: Deadline
    ) -> tuple[str, tuple[OffsetRange, ...]]:
        """
        The log's id and the events' offsets, in their order; all durable on disk.

        EventRefused, LockTimeout, SpoolFull, FolderRefused, CorruptSegment: nothing was written. AppendUnknown: a
        failed fsync, a call that was split over commits of which some failed, or no answer by the deadline. A group is
        one range.
        """
        parts = self._queue.commit(encode(events, self._stream.event_bytes_max), group=group, deadline=deadline)
        if len({part.commit.log for part in parts}) > 1:
            raise AppendUnknown(
                "the log was replaced in the middle of the call: all events are durable, in two logs",
                hint="nothing to do; `verify` counts both",
            )
        return (parts[0].commit.log if parts else self.id), _merged(parts)

    def append_once(
        self, events: Sequence[Event], sequence: ProducerSequence, *, deadline: Deadline, group: bool = False
    ) -> PendingUnit:
        """
        Append the events, as a group or not, unless this sequence was written before; where they are, durable on disk.

        Errors as `append`; ProducerConflict, ProducerMoved: nothing was written.
        """
        try:
            pending = _pending_unit(events, sequence, self._stream.event_bytes_max, group=group)
        except EventRefused:
            # Settings may have changed since: a sequence that is refused today can have been written before.
            pending = _pending_unit(events, sequence, COMMIT_BYTES_MAX, group=group)
            if not self._with_current(lambda writer: writer.find_repeated(pending, deadline), deadline):
                raise
            if pending.error:
                raise pending.error from None
            return pending
        self._queue.commit_unit(pending, deadline)
        return pending

    def last_of(self, producer: str, deadline: Deadline) -> ProducerPosition:
        """How far a producer is in the current log. Errors as `append_once`; nothing is written."""
        return self._with_current(lambda writer: writer.last_of(producer, deadline), deadline)

    def release_producer(self, producer: str, deadline: Deadline) -> bool:
        """Forget a source that cannot be offered again, durably; whether it was known."""
        return self._with_current(lambda writer: writer.release_producer(producer, deadline), deadline)

    def seal_if_due(self, *, for_waiter: bool = False, deadline: Deadline | None = None) -> bool:
        """Seal by size, by age, or for a waiter (rule 9). Says whether it did; follows to the log's successor."""
        deadline = deadline or Deadline.after(TIMEOUT_S)
        return self._with_current(lambda writer: writer.seal_if_due(deadline, for_waiter=for_waiter), deadline)

    def seal(self, deadline: Deadline | None = None) -> bool:
        """Seal now whatever is there; False where there is no commit."""
        deadline = deadline or Deadline.after(TIMEOUT_S)
        return self._with_current(lambda writer: writer.seal(deadline), deadline)

    def synced(self) -> LockState:
        """How far the log is durable; recovers first where a crash left work."""
        deadline = Deadline.after(TIMEOUT_S)
        with disk_errors_refuse(str(self.path)):
            state = self._writer.peek()
        return state or self._with_current(lambda writer: writer.recovered(deadline), deadline)

    def close(self) -> None:
        """Release the descriptors; the log opens them again when it is used again."""
        self._writer.close()

    def _write(self, commit: AnyCommit, deadline: Deadline) -> None:
        def write(writer: LogWriter) -> None:
            if isinstance(commit, UnitCommit):
                writer.write_units(commit, deadline)
                return
            commit.first_offset = writer.write_commit(commit.builder, commit.event_count, deadline)
            commit.log = writer.log.log

        self._with_current(write, deadline)

    def _with_current(self, work: Callable[[LogWriter], T], deadline: Deadline) -> T:
        """Do `work` with the current log. Where it has a successor by now, with that."""
        while True:
            writer = self._writer
            try:
                return work(writer)
            except LogRetired:
                self._follow_successor(writer, deadline)

    def _follow_successor(self, retired: LogWriter, deadline: Deadline) -> None:
        if self._writer is not retired:
            return  # another thread has followed it
        successor = self._current_writer(deadline)
        if successor.log == retired.log:
            raise FolderRefused(
                f"{retired.log.name} is retired, but its log.json names no successor",
                hint="was log.json restored from a backup? Move the log's folder away: a new log is begun",
            )
        self._writer = successor
        retired.close()

    def _current_writer(self, deadline: Deadline) -> LogWriter:
        stream_path = self._folder / self._stream.name
        alarms = AlarmsAfterwards(self._alarms)
        with disk_errors_refuse(str(stream_path)):
            refuse_network(self._folder)
            make_folders(self._disk, stream_path)
            Reserve(self._folder, self._disk).take()
            try:
                with locked_file(stream_path / "stream.lock", self._stream.name, self._disk, deadline, self._alarms):
                    current, identity = self._current_log(stream_path, alarms, deadline)
            finally:
                alarms.deliver()
        return LogWriter(current, self._stream, after=identity.after, disk=self._disk, alarms=self._alarms)

    def _current_log(self, stream_path: Path, alarms: AlarmSink, deadline: Deadline) -> tuple[LogFolder, Identity]:
        """The log without a successor that is ours; a foreign one is ended and continued."""
        ended: tuple[str, int] | None = None
        for log in log_folders(self._folder):
            if log.stream != self._stream.name:
                continue
            identity = read_identity(log.path)
            if identity.successor:
                continue
            if is_ours(identity, log.path):
                return log, identity
            ended = self._end(log, identity, deadline)
            alarms.open("log_cloned", str(log.name), "the folder was copied or moved here; a new log is begun")
        created = create_log(stream_path, self._disk, after=ended)
        if ended:
            write_successor(stream_path / ended[0], self._disk, created.log)
        return created, read_identity(created.path)

    def _end(self, log: LogFolder, identity: Identity, deadline: Deadline) -> tuple[str, int]:
        """Seal a log that came here with its folder; returns it with its last sealed segment (-1 for none)."""
        writer = LogWriter(log, self._stream, after=identity.after, disk=self._disk, alarms=self._alarms)
        try:
            writer.retire(deadline)
        finally:
            writer.close()
        # Sealed segments may be shipped and gone; the one that is open now begins behind the last of them.
        sealed = [file.segment - (file.state == "open") for file in segment_files(log.path)]
        return log.log, max(sealed, default=-1)

    def forget_in_child(self) -> None:
        self._queue.reset()
        self._writer.forget()


def _pending_unit(
    events: Sequence[Event], sequence: ProducerSequence, event_bytes_max: int, *, group: bool
) -> PendingUnit:
    records = encode(events, event_bytes_max)
    unit = unit_of(events, sequence.producer, sequence.sequence, int(time.time()), group=group)
    return PendingUnit(records, unit, sequence.log)


def _merged(parts: list[Part]) -> tuple[OffsetRange, ...]:
    ranges: list[OffsetRange] = []
    for part in parts:
        offsets = part.offsets()
        if ranges and ranges[-1].next == offsets.first:
            ranges[-1] = OffsetRange(ranges[-1].first, offsets.next)
        else:
            ranges.append(offsets)
    return tuple(ranges)


_open_logs: weakref.WeakSet[StreamLog] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for log in list(_open_logs):
        log.forget_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
