"""
The current log of one stream in one folder: what producers append to.

Safe for threads (group commit), for processes (the log's lock) and for fork: the child closes what it inherited and
forgets what its parent had queued, because an idle child would otherwise keep a killed parent's lock.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

from spool.alarm import AlarmSink
from spool.clock import Deadline
from spool.disk import Disk, make_folders
from spool.errors import AppendUnknown
from spool.event import Event, OffsetRange
from spool.format.event_record import encode
from spool.log.commit_queue import Commit, CommitQueue, Part
from spool.log.file_system import refuse_network
from spool.log.folder import LogFolder, log_folders, segment_files
from spool.log.identity import Identity, create_log, is_ours, read_identity, write_successor
from spool.log.lock_file import LockState, locked_file
from spool.log.refusal import disk_errors_refuse
from spool.log.reserve import Reserve
from spool.log.writer import LogRetired, LogWriter
from spool.settings import StreamSettings

OPEN_TIMEOUT_S = 30.0


class StreamLog:
    """Append, seal, look. Made by `StreamLog.open`."""

    def __init__(self, folder: Path, stream: StreamSettings, alarms: AlarmSink, disk: Disk) -> None:
        self._folder = folder
        self._stream = stream
        self._alarms = alarms
        self._disk = disk
        self._queue = CommitQueue(self._write)
        self._writer = self._current_writer(Deadline.after(OPEN_TIMEOUT_S))
        self._held: LogWriter | None = None
        with _registering:
            _open_logs.add(self)

    @classmethod
    def open(cls, folder: Path, stream: StreamSettings, *, alarms: AlarmSink, disk: Disk | None = None) -> StreamLog:
        """
        Find or begin this folder's log of the stream. FolderRefused, LockTimeout.

        A log that lies here but belongs elsewhere (a cloned or restored folder) is sealed and continued by a new one.
        """
        return cls(folder, stream, alarms, disk or Disk())

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

        EventRefused, LockTimeout, SpoolFull, FolderRefused: nothing was written. AppendUnknown: a failed fsync, a call
        that was split over commits of which some failed, or no answer by the deadline. A group is one range.
        """
        parts = self._queue.append(encode(events, self._stream.event_bytes_max), group=group, deadline=deadline)
        if len({part.commit.log for part in parts}) > 1:
            raise AppendUnknown(
                "the log was replaced in the middle of the call: all events are durable, in two logs",
                hint="nothing to do; `verify` counts both",
            )
        return (parts[0].commit.log if parts else self.id), _merged(parts)

    def seal_if_due(self, *, for_waiter: bool = False, deadline: Deadline | None = None) -> bool:
        """Seal by size, by age, or for a waiter (rule 9). Says whether it did."""
        return self._writer.seal_if_due(deadline or Deadline.after(OPEN_TIMEOUT_S), for_waiter=for_waiter)

    def seal(self, deadline: Deadline | None = None) -> bool:
        """Seal now whatever is there; False where there is no commit."""
        return self._writer.seal(deadline or Deadline.after(OPEN_TIMEOUT_S))

    def synced(self) -> LockState:
        """How far the log is durable; recovers first where a crash left work."""
        return self._writer.peek() or self._writer.recovered(Deadline.after(OPEN_TIMEOUT_S))

    def close(self) -> None:
        """Release the descriptors; the log opens them again when it is used again."""
        self._writer.close()

    def _write(self, commit: Commit, deadline: Deadline) -> None:
        while True:
            writer = self._writer
            try:
                commit.first_offset = writer.append(commit.builder, commit.event_count, deadline)
            except LogRetired:
                self._writer = self._current_writer(deadline)
                writer.close()
            else:
                commit.log = writer.log.log
                return

    def _current_writer(self, deadline: Deadline) -> LogWriter:
        stream_path = self._folder / self._stream.name
        with disk_errors_refuse(str(stream_path)):
            refuse_network(self._folder)
            make_folders(self._disk, stream_path)
            Reserve(self._folder, self._disk).take()
            with locked_file(stream_path / "stream.lock", self._stream.name, self._disk, deadline, self._alarms):
                current, identity = self._current_log(stream_path, deadline)
        return LogWriter(current, self._stream, after=identity.after, disk=self._disk, alarms=self._alarms)

    def _current_log(self, stream_path: Path, deadline: Deadline) -> tuple[LogFolder, Identity]:
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
        self._alarms.open(
            "log_cloned", f"{log.stream}/{log.log}", "the folder was copied or moved here; a new log is begun"
        )
        return log.log, max(sealed, default=-1)

    def hold_for_fork(self) -> None:
        """Wait until no commit is being written, and let none begin."""
        while self._held is not self._writer:
            # Another thread may put a successor's writer in the place of the one waited for.
            if self._held is not None:
                self._held.busy.release()
            self._held = self._writer
            self._held.busy.acquire()
        self._queue.hold()

    def release_in_parent(self) -> None:
        self._queue.release()
        if self._held is not None:
            self._held.busy.release()
        self._held = None

    def forget_in_child(self) -> None:
        self._queue.reset()
        self._writer.forget()
        self._held = None


def _merged(parts: list[Part]) -> tuple[OffsetRange, ...]:
    ranges: list[OffsetRange] = []
    for part in parts:
        offsets = part.offsets()
        if ranges and ranges[-1].next == offsets.first:
            ranges[-1] = OffsetRange(ranges[-1].first, offsets.next)
        else:
            ranges.append(offsets)
    return tuple(ranges)


_registering = threading.Lock()
_open_logs: weakref.WeakSet[StreamLog] = weakref.WeakSet()
_held: list[StreamLog] = []


def _before_fork() -> None:
    _registering.acquire()
    # One order for all threads that fork, or two of them could wait for each other.
    logs = sorted(_open_logs, key=id)
    for log in logs:
        log.hold_for_fork()
    _held.extend(logs)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release_in_parent()
    _registering.release()


def _after_fork_in_child() -> None:
    while _held:
        _held.pop().forget_in_child()
    _registering.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
