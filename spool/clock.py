"""
Time as the engine uses it: deadlines and ages by CLOCK_BOOTTIME, event times by the wall clock in UTC.

CLOCK_BOOTTIME counts the time a machine slept, so a machine that slept has used up its deadlines.
"""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path
from typing import NamedTuple

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
_BOOT_ID_CHARACTERS = 36
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def boottime_ns() -> int:
    """Nanoseconds since boot, sleep included; comparable between processes of one boot."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_id() -> bytes:
    """16 bytes, another at every boot. OSError."""
    # Asked at every append: a file object would cost more than all the locking.
    descriptor = os.open(BOOT_ID_FILE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.read(descriptor, _BOOT_ID_CHARACTERS)
    finally:
        os.close(descriptor)
    return bytes.fromhex(text.decode("ascii").replace("-", ""))


def now_ms() -> int:
    """Milliseconds since 1970 UTC, by the wall clock of this host."""
    return time.time_ns() // 1_000_000


def rfc3339(time_ms: int) -> str:
    """`2026-11-23T09:30:00.123Z`. Years 1 to 9999; OverflowError beyond."""
    moment = _EPOCH + datetime.timedelta(milliseconds=time_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class Deadline(NamedTuple):
    """Made by `Deadline.after`; pass it down, never a duration, so that waits do not add up."""

    at_ns: int

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(boottime_ns() + int(seconds * 1e9))

    @property
    def remaining_s(self) -> float:
        """Never below 0."""
        return max(0.0, (self.at_ns - boottime_ns()) / 1e9)

    @property
    def expired(self) -> bool:
        return boottime_ns() >= self.at_ns
