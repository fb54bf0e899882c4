"""
The one place that writes a log: everything here happens under the log's lock.

Appending a commit:

    1. write it behind the synced end      dies here: the next holder finds whole commits, or cuts
    2. fdatasync                           dies here: the next holder syncs and adopts it
    3. note the new synced end             dies here: durable but not answered (unknown)

From the first byte of step 1 on there are two outcomes only: it was cut again (refused), or AppendUnknown.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from spool import failpoints
from spool.alarm import AlarmSink
from spool.clock import Deadline, boottime_ns
from spool.disk import Disk
from spool.errors import AppendUnknown, LockTimeout
from spool.event import ProducerPosition
from spool.format import record_batch
from spool.format.segment_header import COMMIT_NUMBERS, log_tag
from spool.log.descriptor_budget import OPEN_LOGS
from spool.log.folder import LogFolder, segment_files
from spool.log.held_log import HeldLog
from spool.log.local_alarms import AlarmsAfterwards
from spool.log.lock_file import RETIRED, LockState, LogLock, read_state_of
from spool.log.producer_state import ProducerState
from spool.log.refusal import disk_errors_refuse
from spool.log.shipped import read_shipped
from spool.log.unit_commit import PendingUnit, UnitCommit
from spool.settings import StreamSettings

failpoints.declare("log.append.locked")


class LogRetired(Exception):
    """The log has a successor, or its folder was moved away; never leaves spool/log."""


class Buildable(Protocol):
    """What of the compiled builder is needed under the lock."""

    def set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None: ...
    def build(self) -> bytearray: ...


class LogWriter:
    """
    Writes one log from this process. Descriptors are opened when first needed, and again after a fork.

    Every method raises LockTimeout, SpoolFull, FolderRefused or CorruptSegment where nothing was done, and LogRetired.
    """

    def __init__(
        self, log: LogFolder, stream: StreamSettings, *, after: tuple[str, int] | None, disk: Disk, alarms: AlarmSink
    ) -> None:
        self.log = log
        self._stream = stream
        self._alarms = AlarmsAfterwards(alarms)
        self._name = str(log.name)
        lock = LogLock(log.path / "lock", self._name, disk, alarms)
        self._held = HeldLog(log, lock, disk, self._alarms, after=after)
        self._producers = ProducerState(log, disk, after=after)
        self._tag = log_tag(log.log)
        self._busy = threading.Lock()

    def close(self) -> None:
        """Close all descriptors, when no thread writes; the next use opens them again."""
        with self._busy:
            self._held.close()

    def close_if_idle(self) -> None:
        """The same, unless a thread writes."""
        if self._busy.acquire(blocking=False):
            try:
                self._held.close()
            finally:
                self._busy.release()

    def forget(self) -> None:
        """For a child after fork: another thread of its parent may have been writing."""
        self._busy = threading.Lock()
        self._alarms.forget()
        self._producers.forget()
        self.close()

    def write_commit(self, builder: Buildable, event_count: int, deadline: Deadline) -> int:
        """
        Write one commit and return its first offset; durable on disk.

        LockTimeout, SpoolFull, FolderRefused, CorruptSegment: nothing was written, or it was cut again.
        AppendUnknown: written, but not known to be durable. LogRetired.
        """
        with self._exclusive(deadline) as state:
            failpoints.reach("log.append.locked")
            _follow_if_retired(state)
            if self._is_full(state):
                state = self._held.seal(state)
            return self._append(state, builder, event_count)

    def write_units(self, commit: UnitCommit, deadline: Deadline) -> None:
        """
        Write what is new of the units in one commit; each unit gets its positions or its error. As `write_commit`.

        The table is looked up and changed under the lock that the commit is written under (rule 6), and changed only
        when the commit is durable.
        """
        with self._exclusive(deadline) as state:
            failpoints.reach("log.append.locked")
            _follow_if_retired(state)
            if self._is_full(state):
                state = self._held.seal(state)
            table = self._producers.current(state, self._held.segment)
            new = [unit for unit in commit.units if unit.resolve(table, self.log.log)]
            if not new:
                return
            first = self._append(state, commit.builder_of(new), sum(len(unit.records) for unit in new))
            for pending in new:
                pending.written(self.log.log, first)
                table.note(pending.unit, self.log.log, first)
                first += pending.unit.event_count

    def last_of(self, producer: str, deadline: Deadline) -> ProducerPosition:
        """How far a producer is. As `write_units`; nothing is written."""
        with self._exclusive(deadline) as state:
            _follow_if_retired(state)
            entry = self._producers.current(state, self._held.segment).entries.get(producer)
        if entry is None:
            return ProducerPosition(self.log.log, 0, 0)
        return ProducerPosition(self.log.log, entry.sequence, entry.offsets.next if entry.log == self.log.log else 0)

    def find_repeated(self, pending: PendingUnit, deadline: Deadline) -> bool:
        """Whether the unit is written already; it has its positions then, or its error. As `last_of`."""
        with self._exclusive(deadline) as state:
            _follow_if_retired(state)
            return not pending.resolve(self._producers.current(state, self._held.segment), self.log.log)

    def release_producer(self, producer: str, deadline: Deadline) -> bool:
        """Forget a source, durably; whether it was known."""
        with self._exclusive(deadline) as state:
            _follow_if_retired(state)
            was_known = self._producers.current(state, self._held.segment).release(producer)
            if was_known:
                self._producers.save(state)
            return was_known

    def _append(self, state: LockState, builder: Buildable, event_count: int) -> int:
        """One commit behind the synced end; its first offset."""
        builder.set_producer_state(state.next_offset, self._tag, state.next_commit % COMMIT_NUMBERS)
        frame = builder.build()
        record_batch.set_fields(frame, base_offset=state.next_offset)
        self._write(state, frame)
        self._make_durable(state, frame, event_count)
        self._producers.appended(state, len(frame), event_count)
        return state.next_offset

    def seal(self, deadline: Deadline) -> bool:
        """Seal the open segment if it has a commit. False otherwise."""
        with self._exclusive(deadline) as state:
            _follow_if_retired(state)
            if not state.first_commit_ns:
                return False
            self._held.seal(state)
            return True

    def seal_if_due(self, deadline: Deadline, *, for_waiter: bool) -> bool:
        """Seal by size, by age, or for a waiter: once `seal_gap_s` is over, and never while a sealed segment waits."""
        with disk_errors_refuse(self._name):
            state = self.peek()
            if state is not None:
                _follow_if_retired(state)
                if not self._is_due(state, for_waiter=for_waiter):
                    return False
        with self._exclusive(deadline) as state:
            _follow_if_retired(state)
            if not self._is_due(state, for_waiter=for_waiter):
                return False
            self._held.seal(state)
            return True

    def retire(self, deadline: Deadline) -> None:
        """Let nobody append here again; the caller has written the successor into log.json."""
        with self._exclusive(deadline) as state:
            if state.first_commit_ns:
                state = self._held.seal(state)
            self._held.note(state._replace(flags=state.flags | RETIRED))

    def peek(self) -> LockState | None:
        """What the lock file says now, without waiting for it; None where it is of another boot or damaged. OSError."""
        return read_state_of(self.log.path)

    def recovered(self, deadline: Deadline) -> LockState:
        """The state after whatever recovery is needed."""
        with self._exclusive(deadline) as state:
            return state

    @contextmanager
    def _exclusive(self, deadline: Deadline) -> Iterator[LockState]:
        if not self._busy.acquire(timeout=deadline.remaining_s):
            raise LockTimeout(f"{self._name}: another thread of this process is writing", hint="the disk is very slow")
        try:
            with disk_errors_refuse(self._name), self._missing_folder_retires(), self._held.lock.held(deadline):
                yield self._held.usable_state()
        finally:
            self._busy.release()
            OPEN_LOGS.used(self)
            self._alarms.deliver()

    @contextmanager
    def _missing_folder_retires(self) -> Iterator[None]:
        """An operator moved the folder away, as the hint of a damaged log.json says: a new log is begun."""
        try:
            yield
        except FileNotFoundError:
            if self.log.path.is_dir():
                raise
            raise LogRetired from None

    def _write(self, state: LockState, frame: bytearray) -> None:
        try:
            self._held.write(state, frame)
        except Exception as error:
            if self._held.cut(state):
                raise
            raise AppendUnknown(
                f"{self._name}: a write to segment {state.segment} failed and could not be cut: {error}",
                hint="look at the disk (dmesg, smartctl); the log continues in a new segment",
            ) from error

    def _make_durable(self, state: LockState, frame: bytearray, event_count: int) -> None:
        try:
            self._held.sync()
        except OSError as error:
            self._held.mark_failed(state)
            raise AppendUnknown(
                f"{self._name}: fsync of segment {state.segment} failed: {error}",
                hint="look at the disk (dmesg, smartctl); the log continues in a new segment",
            ) from error
        try:
            self._held.note_commit(state, frame, event_count)
        except OSError as error:
            raise AppendUnknown(
                f"{self._name}: the events are on disk, but its lock file cannot be written: {error}",
                hint="the next append finds them; make space",
            ) from error

    def _is_full(self, state: LockState) -> bool:
        return bool(state.first_commit_ns) and state.synced_end >= self._stream.seal_bytes

    def _is_due(self, state: LockState, *, for_waiter: bool) -> bool:
        if not state.first_commit_ns:
            return False
        now = boottime_ns()
        if self._is_full(state) or now - state.first_commit_ns >= self._stream.seal_age_s * 1e9:
            return True
        return for_waiter and now - state.sealed_ns >= self._stream.seal_gap_s * 1e9 and not self._sealed_waits()

    def _sealed_waits(self) -> bool:
        shipped = read_shipped(self.log.path).segment
        return any(file.state == "sealed" and file.segment > shipped for file in segment_files(self.log.path))


def _follow_if_retired(state: LockState) -> None:
    if state.flags & RETIRED:
        raise LogRetired
