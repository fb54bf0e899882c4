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

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from spool import failpoints
from spool.alarm import AlarmSink
from spool.errors import AppendUnknown, FolderRefused, LockTimeout, SpoolFull
from spool.log import batch
from spool.log.deadline import Deadline, boottime_ns
from spool.log.disk import Disk, write_all
from spool.log.folder import LogFolder, open_path, sealed_path, segment_files
from spool.log.lock_file import FAILED, RETIRED, LockState, boot_id, locked, read_state, write_state
from spool.log.recovery import create_segment, recover
from spool.log.reserve import Reserve
from spool.log.scan import Expected, scan
from spool.log.segment import COMMIT_NUMBERS, SegmentHeader, log_tag
from spool.log.shipped import read_shipped
from spool.settings import StreamSettings

failpoints.declare(
    "log.append.locked", "log.append.written", "log.append.synced", "log.append.noted",
    "log.seal.synced", "log.seal.renamed", "log.seal.folder_synced", "log.seal.created", "log.seal.noted",
)  # fmt: skip

_FULL = (errno.ENOSPC, errno.EDQUOT)


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
        self._lock_descriptor = -1
        self._descriptor = -1
        self.forget()

    def forget(self) -> None:
        """Close all descriptors; also for a child after fork, where an inherited one would keep its parent's lock."""
        for descriptor in (self._lock_descriptor, self._descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self._lock_descriptor = self._descriptor = -1
        self._segment = -1
        self._hashed: tuple[int, int, hashlib._Hash] | None = None
        self.busy = threading.Lock()

    def append(self, builder: Buildable, event_count: int, deadline: Deadline) -> int:
        """
        Write one commit and return its first offset; durable on disk.

        LockTimeout, SpoolFull: nothing was written, or it was cut again. AppendUnknown: fsync failed. LogRetired.
        """
        with self._exclusive(deadline) as state:
            failpoints.reach("log.append.locked")
            if state.flags & RETIRED:
                raise LogRetired
            if self._is_full(state):
                state = self._seal(state)
            builder.set_producer_state(state.next_offset, self._tag, state.next_commit % COMMIT_NUMBERS)
            frame = builder.build()
            batch.set_fields(frame, base_offset=state.next_offset)
            self._write(state, frame)
            self._sync(state)
            self._hash_written(state, frame)
            self._note(
                state._replace(
                    synced_end=state.synced_end + len(frame),
                    next_offset=state.next_offset + event_count,
                    next_commit=state.next_commit + 1,
                    first_commit_ns=state.first_commit_ns or boottime_ns(),
                )
            )
            failpoints.reach("log.append.noted")
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
        state = read_state(self._lock())
        return state if state is not None and state.boot_id == boot_id() else None

    def recovered(self, deadline: Deadline) -> LockState:
        """The state after whatever recovery is needed."""
        with self._exclusive(deadline) as state:
            return state

    @contextmanager
    def _exclusive(self, deadline: Deadline) -> Iterator[LockState]:
        if not self.busy.acquire(timeout=deadline.remaining_s):
            raise LockTimeout(f"{self._name}: another thread of this process is writing", hint="the disk is very slow")
        try:
            with locked(self._lock(), self._name, deadline, self._alarms):
                yield self._usable_state()
        finally:
            self.busy.release()

    def _lock(self) -> int:
        if self._lock_descriptor < 0:
            self._lock_descriptor = self._disk.open(self.log.path / "lock", os.O_CREAT | os.O_RDWR)
        return self._lock_descriptor

    def _usable_state(self) -> LockState:
        state = read_state(self._lock())
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
        try:
            named = path.stat()
        except FileNotFoundError:
            return False
        if self._descriptor >= 0 and self._segment == segment:
            ours = os.fstat(self._descriptor)
            if (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino):
                return True
        self._close_segment()
        self._descriptor = self._disk.open(path, os.O_RDWR)
        self._segment = segment
        return True

    def _close_segment(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = self._segment = -1

    def _recovered(self, failed: LockState | None) -> LockState:
        synced_end = failed.synced_end if failed else None
        opened = self._reserve.spend_if_full(
            lambda: recover(self.log, self._disk, self._alarms, after=self._after, synced_end=synced_end)
        )
        state = LockState(
            boot_id(), os.getpid(), 0, opened.segment, opened.synced_end, opened.next_offset, opened.next_commit, 0, 0
        )
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
            self._note(state._replace(flags=state.flags | FAILED))
            return self._recovered(state)
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
        except OSError as error:
            try:
                self._disk.truncate(self._descriptor, state.synced_end)
            except OSError:
                self._note(state._replace(flags=state.flags | FAILED))
            if error.errno in _FULL:
                raise SpoolFull(
                    f"{self._name}: {os.strerror(error.errno)}", hint="make space; what was accepted is safe"
                ) from error
            raise FolderRefused(f"{self._name}: {error}", hint="look at the disk (dmesg, smartctl)") from error
        failpoints.reach("log.append.written")

    def _sync(self, state: LockState) -> None:
        try:
            self._disk.sync_data(self._descriptor)
        except OSError as error:
            # Never again to this file: the kernel may have dropped the pages and call them clean (rule 7).
            self._note(state._replace(flags=state.flags | FAILED))
            raise AppendUnknown(
                f"{self._name}: fsync of segment {state.segment} failed: {error}",
                hint="look at the disk (dmesg, smartctl); the log goes on in a new segment",
            ) from error
        failpoints.reach("log.append.synced")

    def _note(self, state: LockState) -> None:
        write_state(self._lock(), state._replace(pid=os.getpid()))

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
        self._sync(state)
        failpoints.reach("log.seal.synced")
        sha256 = self._sha256(state)
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
        failpoints.reach("log.seal.noted")
        return sealed

    def _sha256(self, state: LockState) -> str:
        """Of the open segment; what this process wrote itself is hashed as it goes, so that a seal need not read it."""
        segment, hashed_end, running = self._hashed or (-1, 0, hashlib.sha256())
        if segment != state.segment:
            hashed_end, running = 0, hashlib.sha256()
        running.update(os.pread(self._descriptor, state.synced_end - hashed_end, hashed_end))
        return running.hexdigest()

    def _hash_written(self, state: LockState, frame: bytearray) -> None:
        """Go on hashing where this process wrote all of the segment; another writer's bytes are read at the seal."""
        if self._hashed is not None and self._hashed[:2] == (state.segment, state.synced_end):
            running = self._hashed[2]
        elif state.first_commit_ns == 0:
            running = hashlib.sha256(os.pread(self._descriptor, state.synced_end, 0))
        else:
            return
        running.update(frame)
        self._hashed = (state.segment, state.synced_end + len(frame), running)
