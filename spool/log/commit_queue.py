"""
Group commit: callers queue, one of them writes all that is queued, up to one commit at a time.

    caller 1 ─┐                    ┌─ while it writes commit n, the others fill commit n+1
    caller 2 ─┼─> commit n+1 ──────┤
    caller 3 ─┘   (one builder)    └─ when n is done, one caller of n+1 becomes the next writer

Records go into the compiled builder here, before the log's lock is taken. The queue is bounded: a caller waits for room
until its deadline, then it is refused (SpoolFull); nothing is dropped.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from spool.clock import Deadline
from spool.errors import AppendUnknown, EventRefused, LockTimeout, SpoolError, SpoolFull
from spool.event import COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, SPOOL_HEADER
from spool.format import record_batch
from spool.format.event_record import Record, size_bound
from spool.format.position_header import encode_local
from spool.log.pending_commit import Part, PendingCommit
from spool.log.unit_commit import PendingUnit, UnitCommit

# Two being filled while one is written keeps the writer busy; more would only be memory.
COMMITS_WAITING_MAX = 4
# Callers of one commit may have different deadlines; one whose own has passed waits so much longer for the answer.
ANSWER_S = 1.0


AnyCommit = PendingCommit | UnitCommit
Write = Callable[[AnyCommit, Deadline], None]
Commit = TypeVar("Commit", PendingCommit, UnitCommit)


class CommitQueue:
    """`write` gets one commit at a time, sets its log and first offset, and returns when it is durable; or raises."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self.reset()

    def reset(self) -> None:
        """Forget all that is queued: for a child after fork, whose parent will write it."""
        self._mutex = threading.Lock()
        self._room = threading.Condition(self._mutex)
        self._waiting: deque[AnyCommit] = deque()
        self._writing = False

    def commit(self, records: Sequence[Record], *, group: bool, deadline: Deadline) -> list[Part]:
        """Returns when all records are durable; raises the error of the first commit that was not."""
        parts: list[Part] = []
        refused: SpoolFull | None = None
        with self._mutex:
            try:
                self._enqueue(records, parts, group=group, deadline=deadline)
            except SpoolFull as error:
                refused = error
        for part in parts:
            self._wait(part.commit, deadline)
        _raise_errors(parts, refused)
        return parts

    def commit_unit(self, pending: PendingUnit, deadline: Deadline) -> None:
        """Returns when the unit is durable, or was before; raises its error, or that of its commit."""
        if not 0 < len(pending.records) <= COMMIT_EVENTS_MAX:
            raise _unit_too_large(pending)
        with self._mutex:
            commit = self._room_in(UnitCommit, lambda commit: commit.has_room(pending), deadline)
            while not commit.add(pending):
                if not commit.units:
                    raise _unit_too_large(pending)
                commit = self._room_in(UnitCommit, lambda commit: commit.has_room(pending), deadline)
        self._wait(commit, deadline)
        if error := commit.error or pending.error:
            raise error

    def _enqueue(self, records: Sequence[Record], parts: list[Part], *, group: bool, deadline: Deadline) -> None:
        """Adds to `parts` as it goes: what is queued will be written, even where the rest finds no room."""
        if group:
            parts.append(self._enqueue_group(records, deadline))
            return
        done = 0
        while done < len(records):
            commit = self._commit_with_room(1, size_bound(records[done]), deadline)
            first, began = commit.event_count, done
            done = commit.fill(records, done)
            parts.append(Part(commit, first, done - began))

    def _enqueue_group(self, records: Sequence[Record], deadline: Deadline) -> Part:
        size = sum(map(size_bound, records))
        if not records or len(records) > COMMIT_EVENTS_MAX or size + record_batch.HEADER_BYTES > COMMIT_BYTES_MAX:
            raise _too_large("a group", len(records), size, "a group is written and delivered as one: make it smaller")
        commit = self._commit_with_room(len(records), size, deadline)
        first = commit.event_count
        time_ms, key, value, headers = records[0]
        begins = (time_ms, key, value, [(SPOOL_HEADER, encode_local(len(records))), *headers])
        added = commit.fill([begins, *records[1:]], 0)
        assert added == len(records), "the bound of a group's size was too low"
        return Part(commit, first, len(records))

    def _commit_with_room(self, event_count: int, size_bytes: int, deadline: Deadline) -> PendingCommit:
        return self._room_in(PendingCommit, lambda commit: commit.has_room(event_count, size_bytes), deadline)

    def _room_in(self, kind: type[Commit], has_room: Callable[[Commit], bool], deadline: Deadline) -> Commit:
        """The last waiting commit, or a new one; waits where the queue is full. Called with the mutex held."""
        while True:
            last = self._waiting[-1] if self._waiting else None
            if not (isinstance(last, kind) and has_room(last)):
                if len(self._waiting) >= COMMITS_WAITING_MAX:
                    self._make_room(deadline)
                    continue
                last = kind(self._mutex)
                self._waiting.append(last)
            last.deadline = max(last.deadline, deadline)
            return last

    def _make_room(self, deadline: Deadline) -> None:
        """Wait until a commit was taken from the queue. Called with the mutex held."""
        while len(self._waiting) >= COMMITS_WAITING_MAX:
            if not self._writing:
                # Everybody who could write is waiting for room: this caller becomes the writer.
                self._writing = True
                self._mutex.release()
                try:
                    is_written = self._write_first(deadline)
                finally:
                    self._mutex.acquire()
                    self._pass_on()
                if not is_written:
                    raise _full()
            elif not self._room.wait(deadline.remaining_s):
                raise _full()

    def _wait(self, commit: AnyCommit, deadline: Deadline) -> None:
        """Until `commit` is done, writing commits in their order whenever nobody else does. AppendUnknown."""
        while True:
            with self._mutex:
                while not commit.done and self._writing:
                    if not commit.changed.wait(deadline.remaining_s + ANSWER_S) and not commit.done:
                        raise AppendUnknown(
                            "the deadline passed while another thread was writing: the events may still become durable",
                            hint="the disk is very slow, or another process holds the log: see the alarm log_locked",
                        )
                if commit.done:
                    return
                self._writing = True
            try:
                is_written = self._write_first(deadline)
            finally:
                with self._mutex:
                    self._pass_on()
            if not is_written:
                raise AppendUnknown(
                    "the deadline passed while another process held the log; other threads wait on for it, and may yet "
                    "write the events",
                    hint="look for the events by id, or at the holder: see the alarm log_locked",
                )

    def _write_first(self, deadline: Deadline) -> bool:
        """Write the first commit; False where it was given back, because only this caller's deadline passed."""
        with self._mutex:
            commit = self._waiting.popleft()
            self._room.notify_all()
        try:
            self._write(commit, min(commit.deadline, deadline))
        except LockTimeout as error:
            if deadline < commit.deadline:
                # Nothing was written. A caller that has more time continues.
                with self._mutex:
                    self._waiting.appendleft(commit)
                return False
            commit.error = error
        except Exception as error:  # noqa: BLE001 - each caller raises one of the three outcomes
            commit.error = _as_outcome(error)
        except BaseException:
            # An interrupt of this thread is not one of the other callers'.
            commit.error = AppendUnknown("the writing thread was interrupted", hint="look for the events by id")
            self._finish(commit)
            raise
        self._finish(commit)
        return True

    def _finish(self, commit: AnyCommit) -> None:
        with self._mutex:
            commit.done = True
            commit.changed.notify_all()

    def _pass_on(self) -> None:
        """Let one caller of the next commit write. Called with the mutex held."""
        self._writing = False
        self._room.notify_all()
        if self._waiting:
            self._waiting[0].changed.notify()


def _too_large(what: str, count: int, size_bytes: int, hint: str) -> EventRefused:
    return EventRefused(
        f"{what} of {count} events and up to {size_bytes} bytes; a commit holds 1 to {COMMIT_EVENTS_MAX} events and "
        f"{COMMIT_BYTES_MAX} bytes",
        hint=hint,
    )


def _unit_too_large(pending: PendingUnit) -> EventRefused:
    size = sum(map(size_bound, pending.records))
    hint = "it is written as one: send less at a time"
    return _too_large("an idempotent append", len(pending.records), size, hint)


def _full() -> SpoolFull:
    return SpoolFull("the append queue is full", hint="the disk is slower than the producers: append less at a time")


def _as_outcome(error: Exception) -> SpoolError:
    if isinstance(error, SpoolError):
        return error
    unknown = AppendUnknown(
        f"{type(error).__name__} while the events were written: {error}", hint="look for the events by id"
    )
    unknown.__cause__ = error
    return unknown


def _raise_errors(parts: list[Part], refused: SpoolFull | None) -> None:
    failed = [part.commit.error for part in parts if part.commit.error is not None]
    error = failed[0] if failed else refused
    if error is None:
        return
    durable = sum(part.event_count for part in parts if part.commit.error is None)
    if durable:
        raise AppendUnknown(
            f"the call was split: {durable} of its events are durable, the others are not: {error}",
            hint="append fewer events in one call, or as a group, to get one answer for all",
        ) from error
    raise error
