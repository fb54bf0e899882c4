"""
The lock of one log: who may write, and how far the log is synced.

The file is locked with flock and holds one record, rewritten in place before every release:

    0       4       8          24       28        32         40           48            56
    +-------+-------+----------+--------+---------+----------+------------+-------------+
    | magic | crc32 | boot id  | pid    | flags   | segment  | synced end | next offset |
    +-------+-------+----------+--------+---------+----------+------------+-------------+
    56              64                72            80
    +---------------+-----------------+-------------+-----------+
    | next commit   | first commit ns | sealed ns   | holder    |
    +---------------+-----------------+-------------+-----------+
    84
    +---------+
    | alarmed |
    +---------+

`pid` wrote the record. Behind it, outside the checksum: `holder` has the lock or had it last, the one to look at when
the lock is not free; `alarmed` is 1 while the alarm `log_locked` is open. The file need not be durable: after a reboot
its boot id differs, and recovery reads the segments instead. Times are CLOCK_BOOTTIME.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from spool.alarm import AlarmSink
from spool.clock import Deadline, boot_id
from spool.disk import Disk, write_all
from spool.file_lock import FileLock
from spool.log.local_alarms import AlarmsAfterwards

_BODY = struct.Struct(">16sIIQQQQQQ")
_HEAD = struct.Struct(">4sI")
MAGIC = b"SPLK"
SIZE_BYTES = _HEAD.size + _BODY.size
_ALARMED_AT = SIZE_BYTES + 4

FAILED = 1  # an fsync of the open segment failed: it is never written again
RETIRED = 2  # the log has a successor: nothing is appended here again

ALARM_AFTER_S = 10.0
_READ_TRIES = 100


class LockState(NamedTuple):
    """
    What the lock file says.

    synced_end       bytes of the open segment that are on disk; all answers come from below it
    first_commit_ns  when the open segment got its first commit, 0 without one
    sealed_ns        when a segment was last sealed
    """

    boot_id: bytes
    pid: int
    flags: int
    segment: int
    synced_end: int
    next_offset: int
    next_commit: int
    first_commit_ns: int
    sealed_ns: int


def read_state(descriptor: int) -> LockState | None:
    """The record, or None if no record passes its checksum. Needs no lock: a torn read is repeated."""
    for _ in range(_READ_TRIES):
        data = os.pread(descriptor, SIZE_BYTES, 0)
        if len(data) < SIZE_BYTES or not data.strip(b"\0"):
            return None  # nothing was written yet but the holder
        magic, crc = _HEAD.unpack_from(data)
        if magic == MAGIC and crc == zlib.crc32(data[_HEAD.size :]):
            return LockState._make(_BODY.unpack_from(data, _HEAD.size))
        time.sleep(0.0005)
    return None


def write_state(disk: Disk, descriptor: int, state: LockState) -> None:
    """Only under the lock. OSError leaves the old record, the new one, or one that does not pass its checksum."""
    body = _BODY.pack(*state)
    write_all(disk, descriptor, _HEAD.pack(MAGIC, zlib.crc32(body)) + body, 0)


def read_state_of(log_path: Path) -> LockState | None:
    """The record of a log, without a lock; None if there is none of this boot."""
    try:
        descriptor = os.open(log_path / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        state = read_state(descriptor)
    finally:
        os.close(descriptor)
    return state if state is not None and state.boot_id == boot_id() else None


class LogLock:
    """
    The lock of a log, with its alarm `log_locked`: opened after a wait of 10 s, closed by the next release.

    The mark of an open alarm is a byte of the lock file, so that any process that releases the lock closes the alarm.
    """

    def __init__(self, path: Path, name: str, disk: Disk, alarms: AlarmSink) -> None:
        self._lock = FileLock(path, name=name, holder_at=SIZE_BYTES, open_file=disk.open)
        self._name = name
        self._disk = disk
        self._alarms = AlarmsAfterwards(alarms)

    @property
    def descriptor(self) -> int:
        return self._lock.descriptor

    def close(self) -> None:
        self._lock.close()

    @contextmanager
    def held(self, deadline: Deadline) -> Iterator[None]:
        """LockTimeout names the holder; OSError. An alarm is closed when the lock is free again."""
        try:
            self._acquire(deadline)
            yield
        finally:
            # Nothing here may raise: what was written in the block is written.
            is_alarmed = self._lock.is_held and self._unmark()
            self._lock.release()
            if is_alarmed:
                self._alarms.close("log_locked", self._name)
            self._alarms.deliver()

    def _acquire(self, deadline: Deadline) -> None:
        if self._lock.acquire(min(deadline, Deadline.after(ALARM_AFTER_S))):
            return
        if not deadline.expired:
            holder = self._lock.holder()
            self._alarms.open("log_locked", self._name, f"process {holder} has held it for {ALARM_AFTER_S:.0f} s")
            self._alarms.deliver()
            self._mark()
        if not self._lock.acquire(deadline):
            raise self._lock.timeout()

    def _unmark(self) -> bool:
        """Whether the alarm is open; it is not after this, for those who hold the lock next."""
        with contextlib.suppress(OSError):
            if os.pread(self.descriptor, 1, _ALARMED_AT) == b"\1":
                self._disk.write_at(self.descriptor, b"\0", _ALARMED_AT)
                return True
        return False

    def _mark(self) -> None:
        # Without the mark the alarm stays open until a person closes it: no reason to fail an append.
        with contextlib.suppress(OSError):
            self._disk.write_at(self.descriptor, b"\1", _ALARMED_AT)


@contextmanager
def locked_file(path: Path, name: str, disk: Disk, deadline: Deadline, alarms: AlarmSink) -> Iterator[None]:
    """Hold the lock of a file that is opened for this one time. LockTimeout, OSError."""
    lock = LogLock(path, name, disk, alarms)
    try:
        with lock.held(deadline):
            yield
    finally:
        lock.close()
