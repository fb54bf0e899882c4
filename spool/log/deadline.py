"""A point in time that a call may not pass. CLOCK_BOOTTIME: a machine that slept has used up its time."""

from __future__ import annotations

import time
from typing import NamedTuple


def boottime_ns() -> int:
    """Nanoseconds since boot, sleep included; comparable between processes of one boot."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


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
