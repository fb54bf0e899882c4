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

`pid` wrote the record; `holder` (behind it, outside the checksum) has the lock or had it last: the one to look at when
the lock is not free. The file need not be durable: after a reboot its boot id differs, and recovery reads the segments
instead. Times are CLOCK_BOOTTIME.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from spool.alarm import AlarmSink
from spool.clock import Deadline
from spool.errors import LockTimeout
from spool.log.disk import Disk

_BODY = struct.Struct(">16sIIQQQQQQ")
_HEAD = struct.Struct(">4sI")
_HOLDER = struct.Struct(">I")
MAGIC = b"SPLK"
SIZE_BYTES = _HEAD.size + _BODY.size
BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")

FAILED = 1  # an fsync of the open segment failed: it is never written again
RETIRED = 2  # the log has a successor: nothing is appended here again

ALARM_AFTER_S = 10.0
_POLL_S = 0.002
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


def boot_id() -> bytes:
    """16 bytes, another at every boot."""
    return bytes.fromhex(BOOT_ID_FILE.read_text(encoding="ascii").strip().replace("-", ""))


def read_state(descriptor: int) -> LockState | None:
    """The record, or None where there is none that passes its checksum. Needs no lock: a torn read is tried again."""
    for _ in range(_READ_TRIES):
        data = os.pread(descriptor, SIZE_BYTES, 0)
        if len(data) < SIZE_BYTES or not data.strip(b"\0"):
            return None  # nothing was written yet but the holder
        magic, crc = _HEAD.unpack_from(data)
        if magic == MAGIC and crc == zlib.crc32(data[_HEAD.size :]):
            return LockState._make(_BODY.unpack_from(data, _HEAD.size))
        time.sleep(0.0005)
    return None


def write_state(descriptor: int, state: LockState) -> None:
    """Only under the lock."""
    body = _BODY.pack(*state)
    os.pwrite(descriptor, _HEAD.pack(MAGIC, zlib.crc32(body)) + body, 0)


def read_state_of(log_path: Path) -> LockState | None:
    """The record of a log, without a lock; None where there is none of this boot."""
    try:
        descriptor = os.open(log_path / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        state = read_state(descriptor)
    finally:
        os.close(descriptor)
    return state if state is not None and state.boot_id == boot_id() else None


@contextmanager
def locked(descriptor: int, name: str, deadline: Deadline, alarms: AlarmSink) -> Iterator[None]:
    """
    Hold the flock. LockTimeout names the holder when the deadline passes; a wait of 10 s is an alarm.

    Polls, because flock itself knows no time-out and a signal would reach only the main thread.
    """
    with _gate:
        _in_use.add(descriptor)
    try:
        _acquire(descriptor, name, deadline, alarms)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        with _gate:
            _in_use.discard(descriptor)


@contextmanager
def locked_file(path: Path, disk: Disk, deadline: Deadline, alarms: AlarmSink) -> Iterator[None]:
    """Hold the lock of a file that is opened for this one time."""
    with _gate:
        descriptor = disk.open(path, os.O_CREAT | os.O_RDWR)
        _in_use.add(descriptor)
    try:
        with locked(descriptor, path.parent.name, deadline, alarms):
            yield
    finally:
        with _gate:
            _in_use.discard(descriptor)
            os.close(descriptor)


def _acquire(descriptor: int, name: str, deadline: Deadline, alarms: AlarmSink) -> None:
    started = time.monotonic()
    alarmed = False
    while not _try_lock(descriptor):
        if deadline.expired:
            raise LockTimeout(
                f"{name}: process {_holder(descriptor)} holds the log",
                hint="look at that process: is it stopped (state T)?",
            )
        if not alarmed and time.monotonic() - started > ALARM_AFTER_S:
            alarmed = True
            _alarmed.add(name)
            alarms.open("log_locked", name, f"process {_holder(descriptor)} has held it for {ALARM_AFTER_S:.0f} s")
        time.sleep(_POLL_S)
    os.pwrite(descriptor, _HOLDER.pack(os.getpid()), SIZE_BYTES)
    if name in _alarmed:
        # Raised in this wait, or in an earlier one that ended at its deadline.
        _alarmed.discard(name)
        alarms.close("log_locked", name)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    data = os.pread(descriptor, _HOLDER.size, SIZE_BYTES)
    return str(_HOLDER.unpack(data)[0]) if len(data) == _HOLDER.size else "unknown"


_alarmed: set[str] = set()

# A child inherits what is locked at the moment of a fork, and would keep it when its parent is killed. It may not
# unlock (that would be the parent's lock), so it puts /dev/null in the place of each descriptor.
_in_use: set[int] = set()
_gate = threading.Lock()


def _forget_in_child() -> None:
    if _in_use:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for descriptor in _in_use:
            os.dup2(null, descriptor, inheritable=False)
        os.close(null)
    _in_use.clear()
    _alarmed.clear()
    _gate.release()


os.register_at_fork(before=_gate.acquire, after_in_parent=_gate.release, after_in_child=_forget_in_child)
