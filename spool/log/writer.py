"""
The one place that writes a log: everything here happens under the log's lock.

Appending a commit:

    1. write it behind the synced end      dies here: the next holder finds whole commits, or cuts
    2. fdatasync                           dies here: the next holder syncs and adopts it
    3. note the new synced end             dies here: durable but not answered (unknown)

Sealing segment N:

    1. fdatasync N   2. rename to .sealed   3. fsync the folder
    4. write the header of N+1, with the sha256 of N   5. fdatasync   6. fsync the folder   7. note the new segment
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from spool import failpoints
from spool.alarm import AlarmSink
from spool.clock import Deadline, boottime_ns
from spool.disk import Disk, write_all
from spool.errors import AppendUnknown, LockTimeout
from spool.format import record_batch
from spool.format.scan import Expected, scan
from spool.format.segment_header import COMMIT_NUMBERS, SegmentHeader, log_tag
from spool.log.folder import LogFolder, open_path, sealed_path, segment_files
from spool.log.identity import read_identity
from spool.log.lock_file import FAILED, RETIRED, LockState, LogLock, boot_id, read_state, read_state_of, write_state
from spool.log.recovery import create_segment, recover
from spool.log.refusal import disk_errors_refuse
from spool.log.reserve import Reserve
from spool.log.running_hash import RunningHash
from spool.log.shipped import read_shipped
from spool.settings import StreamSettings

failpoints.declare(
    "log.append.locked", "log.append.written", "log.append.synced", "log.append.noted",
    "log.seal.synced", "log.seal.renamed", "log.seal.folder_synced", "log.seal.created", "log.seal.noted",
)  # fmt: skip


class LogRetired(Exception):
    """The log has a successor; never leaves spool/log."""


class Buildable(Protocol):
    """What of the compiled builder is needed under the lock."""

    def set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None: ...
    def build(self) -> bytearray: ...


class LogWriter:
    """Writes one log from this process. Descriptors are opened when first needed, and again after a fork."""

    def __init__(
        self, log: LogFolder, stream: StreamSettings, *, after: tuple[str, int] | None, disk: Disk, alarms: AlarmSink
    ) -> None:
        self.log = log
        self._stream = stream
        self._after = after
        self._disk = disk
        self._alarms = alarms
        self._reserve = Reserve(log.path.parent.parent, disk)
        self._tag = log_tag(log.log)
        self._name = f"{log.stream}/{log.log}"
        self._lock = LogLock(log.path / "lock", self._name, disk, alarms)
        self._descriptor = -1
        self._segment = -1
        self._hash = RunningHash()
        self.busy = threading.Lock()

    def close(self) -> None:
        """Close all descriptors, when no thread writes; the next use opens them again."""
        with self.busy:
            self._lock.close()
            self._close_segment()

    def forget(self) -> None:
        """For a child after fork: an inherited descriptor would keep its parent's lock."""
        self.busy = threading.Lock()
        self.close()

    def append(self, builder: Buildable, event_count: int, deadline: Deadline) -> int:
        """
        Write one commit and return its first offset; durable on disk.

        LockTimeout, SpoolFull, FolderRefused, CorruptSegment: nothing was written, or it was cut again.
        AppendUnknown: written, but not known to be durable. LogRetired.
        """
        with self._exclusive(deadline) as state:
            failpoints.reach("log.append.locked")
            if state.flags & RETIRED:
                raise LogRetired
            if self._is_full(state):
                state = self._seal(state)
            builder.set_producer_state(state.next_offset, self._tag, state.next_commit % COMMIT_NUMBERS)
            frame = builder.build()
            record_batch.set_fields(frame, base_offset=state.next_offset)
            self._write(state, frame)
            self._sync(state)
            self._hash.follow(state.segment, self._descriptor, state.synced_end, frame)
            self._note_commit(state, len(frame), event_count)
            return state.next_offset

    def seal(self, deadline: Deadline) -> bool:
        """Seal the open segment if it has a commit. False otherwise."""
        with self._exclusive(deadline) as state:
            if not state.first_commit_ns:
                return False
            self._seal(state)
            return True

    def seal_if_due(self, deadline: Deadline, *, for_waiter: bool) -> bool:
        """Seal by size, by age, or for a waiter: once `seal_gap_s` is over, and never while a sealed segment waits."""
        state = self.peek()
        if state is not None and not self._is_due(state, for_waiter=for_waiter):
            return False
        with self._exclusive(deadline) as state:
            if not self._is_due(state, for_waiter=for_waiter):
                return False
            self._seal(state)
            return True

    def retire(self, deadline: Deadline) -> None:
        """Let nobody append here again; the caller has written the successor into log.json."""
        with self._exclusive(deadline) as state:
            if state.first_commit_ns:
                state = self._seal(state)
            self._note(state._replace(flags=state.flags | RETIRED))

    def peek(self) -> LockState | None:
        """What the lock file says now, without waiting for it; None where it is of another boot or damaged."""
        return read_state_of(self.log.path)

    def recovered(self, deadline: Deadline) -> LockState:
        """The state after whatever recovery is needed."""
        with self._exclusive(deadline) as state:
            return state

    @contextmanager
    def _exclusive(self, deadline: Deadline) -> Iterator[LockState]:
        if not self.busy.acquire(timeout=deadline.remaining_s):
            raise LockTimeout(f"{self._name}: another thread of this process is writing", hint="the disk is very slow")
        try:
            with disk_errors_refuse(self._name), self._lock.held(deadline):
                yield self._usable_state()
        finally:
            self.busy.release()

    def _usable_state(self) -> LockState:
        state = read_state(self._lock.descriptor)
        if state is None or state.boot_id != boot_id():
            return self._recovered(None)
        if state.flags & FAILED:
            return self._recovered(state)
        if not self._opened(state.segment):
            return self._recovered(None)
        size = os.fstat(self._descriptor).st_size
        if size < state.synced_end:
            return self._recovered(None)
        return state if size == state.synced_end else self._resumed(state, size)

    def _opened(self, segment: int) -> bool:
        """Whether our descriptor is the file that the name now means; opens it where needed."""
        path = open_path(self.log.path, segment)
        if self._segment == segment and _is_same_file(self._descriptor, path):
            return True
        self._close_segment()
        try:
            self._descriptor = self._disk.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        self._segment = segment
        return True

    def _close_segment(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = self._segment = -1
        self._hash = RunningHash()

    def _recovered(self, failed: LockState | None) -> LockState:
        # After a crash in the middle of this, the failed segment may be sealed and its number no longer the open one.
        is_open = failed is not None and open_path(self.log.path, failed.segment).exists()
        synced_end = failed.synced_end if failed is not None and is_open else None
        opened = self._reserve.spend_if_full(
            lambda: recover(self.log, self._disk, self._alarms, after=self._after, synced_end=synced_end)
        )
        state = LockState(
            boot_id(), os.getpid(), RETIRED if read_identity(self.log.path).successor else 0,
            opened.segment, opened.synced_end, opened.next_offset, opened.next_commit, 0, 0,
        )  # fmt: skip
        self._note(state)
        self._opened(opened.segment)
        return state

    def _resumed(self, state: LockState, size: int) -> LockState:
        """A holder died behind the synced end: sync what is there, adopt whole commits, cut the rest."""
        beyond = os.pread(self._descriptor, size - state.synced_end, state.synced_end)
        found = scan(beyond, 0, Expected(self._tag, state.next_offset, state.next_commit))
        if found.holes:
            return self._recovered(None)
        if found.end < len(beyond):
            self._disk.truncate(self._descriptor, state.synced_end + found.end)
        try:
            self._disk.sync_data(self._descriptor)
        except OSError:
            return self._failed(state)
        first_commit_ns = state.first_commit_ns or (boottime_ns() if found.commits else 0)
        state = state._replace(
            synced_end=state.synced_end + found.end, next_offset=found.next_offset, next_commit=found.next_commit,
            first_commit_ns=first_commit_ns,
        )  # fmt: skip
        self._note(state)
        return state

    def _write(self, state: LockState, frame: bytearray) -> None:
        try:
            write_all(self._disk, self._descriptor, frame, state.synced_end)
            failpoints.reach("log.append.written")
        except OSError:
            try:
                self._disk.truncate(self._descriptor, state.synced_end)
            except OSError:
                self._note(state._replace(flags=state.flags | FAILED))
            raise

    def _sync(self, state: LockState) -> None:
        try:
            self._disk.sync_data(self._descriptor)
            failpoints.reach("log.append.synced")
        except OSError as error:
            # Never again to this file: the kernel may have dropped the pages and call them clean (rule 7).
            self._note(state._replace(flags=state.flags | FAILED))
            raise AppendUnknown(
                f"{self._name}: fsync of segment {state.segment} failed: {error}",
                hint="look at the disk (dmesg, smartctl); the log goes on in a new segment",
            ) from error

    def _note_commit(self, state: LockState, size_bytes: int, event_count: int) -> None:
        try:
            self._note(
                state._replace(
                    synced_end=state.synced_end + size_bytes,
                    next_offset=state.next_offset + event_count,
                    next_commit=state.next_commit + 1,
                    first_commit_ns=state.first_commit_ns or boottime_ns(),
                )
            )
            failpoints.reach("log.append.noted")
        except OSError as error:
            raise AppendUnknown(
                f"{self._name}: the events are on disk, but its lock file cannot be written: {error}",
                hint="the next append finds them; make space",
            ) from error

    def _failed(self, state: LockState) -> LockState:
        """An fsync failed while nobody waited for new events: close the segment where it was synced, and go on."""
        state = state._replace(flags=state.flags | FAILED)
        self._note(state)
        return self._recovered(state)

    def _note(self, state: LockState) -> None:
        write_state(self._disk, self._lock.descriptor, state._replace(pid=os.getpid()))

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

    def _seal(self, state: LockState) -> LockState:
        # All below the synced end is durable; this makes the size so, where a write was cut again.
        try:
            self._disk.sync_data(self._descriptor)
        except OSError:
            return self._failed(state)
        failpoints.reach("log.seal.synced")
        sha256 = self._hash.digest(state.segment, self._descriptor, state.synced_end)
        self._disk.rename(open_path(self.log.path, state.segment), sealed_path(self.log.path, state.segment))
        failpoints.reach("log.seal.renamed")
        self._disk.sync_folder(self.log.path)
        failpoints.reach("log.seal.folder_synced")
        header = SegmentHeader(
            self.log.stream, self.log.log, state.segment + 1, state.next_offset, state.next_commit, sha256
        )
        opened = self._reserve.spend_if_full(lambda: create_segment(self.log, self._disk, header))
        failpoints.reach("log.seal.created")
        sealed = LockState(
            boot_id(), os.getpid(), state.flags & ~FAILED, opened.segment, opened.synced_end, opened.next_offset,
            opened.next_commit, 0, boottime_ns(),
        )  # fmt: skip
        self._note(sealed)
        self._opened(opened.segment)
        self._reserve.take()
        failpoints.reach("log.seal.noted")
        return sealed


def _is_same_file(descriptor: int, path: Path) -> bool:
    """Whether the name still means the file that is open."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino)
