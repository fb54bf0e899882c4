"""
A log as the holder of its lock has it: its state made usable, its open segment, its notes.

What the lock file says is usable as it is where the last holder ended well. Otherwise:

    of another boot, damaged, segment missing or too short   recover (recovery.py)
    segment marked as failed                                 recover; truncate beyond the synced end
    bytes beyond the synced end                              resume: sync them, adopt whole commits, cut the rest

An fsync that failed marks the segment: it is never written again (rule 7), because the kernel may have dropped the
dirty pages and marked them clean. If even the mark cannot be written, this process remembers it, and removes what
other processes could continue from: the bytes, and the note.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from spool import failpoints
from spool.alarm import AlarmSink
from spool.clock import boot_id, boottime_ns
from spool.disk import Disk, write_all
from spool.format.scan import Expected, scan
from spool.format.segment_header import SegmentHeader, log_tag
from spool.log.folder import LogFolder, open_path, sealed_path
from spool.log.identity import read_identity
from spool.log.lock_file import FAILED, RETIRED, LockState, LogLock, read_state, write_state
from spool.log.recovery import create_segment, recover
from spool.log.reserve import Reserve
from spool.log.segment_file import SegmentDescriptor

failpoints.declare(
    "log.append.written", "log.append.synced", "log.append.noted",
    "log.seal.synced", "log.seal.renamed", "log.seal.folder_synced", "log.seal.created", "log.seal.noted",
)  # fmt: skip

# The state at which an fsync failed, by the log's folder, where the mark could not be written to the lock file.
_unmarked_failures: dict[Path, LockState] = {}


class HeldLog:
    """Everything but `close` needs the lock (`lock.held`). OSError where nothing else is said."""

    def __init__(
        self, log: LogFolder, lock: LogLock, disk: Disk, alarms: AlarmSink, *, after: tuple[str, int] | None
    ) -> None:
        self.log = log
        self.lock = lock
        self.segment = SegmentDescriptor(log.path, disk)
        self._disk = disk
        self._alarms = alarms
        self._after = after
        self._reserve = Reserve(log.path.parent.parent, disk)
        self._tag = log_tag(log.log)

    def close(self) -> None:
        """Give the descriptors back; the next use opens the files again."""
        self.lock.close()
        self.segment.close()

    def usable_state(self) -> LockState:
        """The state to write from; `segment` is open and ends at its synced end. CorruptSegment."""
        state = read_state(self.lock.descriptor)
        failure = _unmarked_failures.get(self.log.path)
        if state is None or state.boot_id != boot_id():
            return self._recovered(failure)
        if state.flags & FAILED or (failure is not None and failure.segment == state.segment):
            return self._recovered(state)
        if not self.segment.open(state.segment):
            return self._recovered(None)
        size = self.segment.size_bytes()
        if size < state.synced_end:
            return self._recovered(None)
        return state if size == state.synced_end else self._resumed(state, size)

    def note(self, state: LockState) -> None:
        """What the next holder continues from."""
        write_state(self._disk, self.lock.descriptor, state._replace(pid=os.getpid()))

    # Appending. The steps of one commit, in this order; `LogWriter` says what their errors mean.

    def write(self, state: LockState, frame: bytearray) -> None:
        write_all(self._disk, self.segment.descriptor, frame, state.synced_end)
        failpoints.reach("log.append.written")

    def cut(self, state: LockState) -> bool:
        """Take back what was written behind the synced end. Where that fails too, the segment is marked as failed."""
        try:
            self._disk.truncate(self.segment.descriptor, state.synced_end)
        except OSError:
            self.mark_failed(state)
            return False
        return True

    def sync(self) -> None:
        self._disk.sync_data(self.segment.descriptor)
        failpoints.reach("log.append.synced")

    def note_commit(self, state: LockState, frame: bytearray, event_count: int) -> None:
        self.note(
            state._replace(
                synced_end=state.synced_end + len(frame),
                next_offset=state.next_offset + event_count,
                next_commit=state.next_commit + 1,
                first_commit_ns=state.first_commit_ns or boottime_ns(),
            )
        )
        failpoints.reach("log.append.noted")
        self.segment.follow(state.synced_end, frame)

    def mark_failed(self, state: LockState) -> None:
        """Nothing is written to the open segment again, by no process. Never raises: somebody has an error already."""
        try:
            self.note(state._replace(flags=state.flags | FAILED))
        except OSError:
            _unmarked_failures[self.log.path] = state
            with contextlib.suppress(OSError):
                self._disk.truncate(self.segment.descriptor, state.synced_end)
                # Without a note the next holder recovers: it closes this segment and begins another.
                self._disk.unlink(self.log.path / "lock")

    # Sealing.

    def seal(self, state: LockState) -> LockState:
        """
        Seal the open segment and begin the next.

        1. fdatasync N   2. rename to .sealed   3. fsync the folder
        4. write the header of N+1, with the sha256 of N   5. fdatasync   6. fsync the folder   7. note the new segment
        """
        try:
            # All below the synced end is durable; this makes the size so, where a write was cut again.
            self._disk.sync_data(self.segment.descriptor)
        except OSError:
            return self._closed_as_failed(state)
        failpoints.reach("log.seal.synced")
        sha256 = self.segment.sha256(state.synced_end)
        self._disk.rename(open_path(self.log.path, state.segment), sealed_path(self.log.path, state.segment))
        failpoints.reach("log.seal.renamed")
        self._disk.sync_folder(self.log.path)
        failpoints.reach("log.seal.folder_synced")
        header = SegmentHeader(
            self.log.stream, self.log.log, state.segment + 1, state.next_offset, state.next_commit, sha256,
            previous_next=state.next_offset,
        )  # fmt: skip
        opened = self._reserve.spend_if_full(lambda: create_segment(self.log, self._disk, header))
        failpoints.reach("log.seal.created")
        sealed = LockState(
            boot_id(), os.getpid(), state.flags & ~FAILED, opened.segment, opened.synced_end, opened.next_offset,
            opened.next_commit, 0, boottime_ns(),
        )  # fmt: skip
        self.note(sealed)
        self.segment.open(opened.segment)
        self._reserve.take()
        failpoints.reach("log.seal.noted")
        return sealed

    # Making the state usable.

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
        self.note(state)
        # Where the lock file was lost, so was its mark.
        self._alarms.close("log_locked", str(self.log.name))
        _unmarked_failures.pop(self.log.path, None)
        self.segment.open(opened.segment)
        return state

    def _resumed(self, state: LockState, size: int) -> LockState:
        """A holder died behind the synced end: sync what is there, adopt whole commits, cut the rest."""
        beyond = self.segment.read(state.synced_end, size)
        scanned = scan(beyond, 0, Expected(self._tag, state.next_offset, state.next_commit))
        if scanned.holes:
            return self._recovered(None)
        if scanned.end < len(beyond):
            self._disk.truncate(self.segment.descriptor, state.synced_end + scanned.end)
        try:
            self._disk.sync_data(self.segment.descriptor)
        except OSError:
            return self._closed_as_failed(state)
        first_commit_ns = state.first_commit_ns or (boottime_ns() if scanned.commits else 0)
        state = state._replace(
            synced_end=state.synced_end + scanned.end, next_offset=scanned.next_offset, next_commit=scanned.next_commit,
            first_commit_ns=first_commit_ns,
        )  # fmt: skip
        self.note(state)
        return state

    def _closed_as_failed(self, state: LockState) -> LockState:
        """An fsync failed while nobody waited for new events: close the segment where it was synced, and continue."""
        self.mark_failed(state)
        return self._recovered(state)
