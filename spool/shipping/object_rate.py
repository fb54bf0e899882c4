"""How many objects a log makes a day (rule 11): many small ones cost money and slow replay down."""

from __future__ import annotations

from collections import deque

from spool.clock import boottime_ns

WARN_ABOVE_A_DAY = 50_000
_HOUR_NS = 3_600_000_000_000
_HOURS = 24


class ObjectRate:
    """Objects of one log in the last 24 hours, counted by the hour, since this process began."""

    def __init__(self) -> None:
        self._hours: deque[tuple[int, int]] = deque()

    def add(self, objects: int) -> None:
        hour = boottime_ns() // _HOUR_NS
        if self._hours and self._hours[-1][0] == hour:
            objects += self._hours.pop()[1]
        self._hours.append((hour, objects))

    def a_day(self) -> int:
        """Objects of the last 24 hours."""
        oldest = boottime_ns() // _HOUR_NS - _HOURS
        while self._hours and self._hours[0][0] <= oldest:
            self._hours.popleft()
        return sum(count for _, count in self._hours)
