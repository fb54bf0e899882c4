"""
How large the next transaction of a log is, learned from how long the last ones took (rule 20).

Kafka may be slow for reasons that no limit of ours foresees: a quota, replicas in another zone, a busy disk. So a log
begins with a part of the limits and doubles it while transactions are quick. After a time-out it sends a quarter;
when a single chunk, which is never divided, is still too much, it gives the transaction twice the time.
"""

from __future__ import annotations

from typing import NamedTuple

from spool.event import COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX

# A delivery names its batches in one record of under 1 MB, and one partition's batches are sent one after another:
# a backlog of many small objects must neither outgrow that record nor the transaction's time.
BATCHES_MAX = 1000
_FIRST_SHARE = 1 / 4
_SMALLEST_SHARE = 1 / 1024
_AFTER_TIME_OUT = 1 / 4
# Parts of the time that a call may take.
_QUICK = 0.15
_SLOW = 0.5
# Kafka's default transaction.max.timeout.ms is 15 minutes; eight times 30 s carries 8 MB at 40 kB/s.
_PATIENCE_MAX = 8


class Limits(NamedTuple):
    """The most that goes into one transaction; a single chunk always does."""

    events: int
    size_bytes: int
    batches: int


class Pace:
    """One log's. Kept while the log's producers come and go."""

    def __init__(self) -> None:
        self._share = _FIRST_SHARE
        self.patience = 1

    def limits(self) -> Limits:
        """Of the next transaction."""
        share = self._share
        return Limits(
            max(1, int(COMMIT_EVENTS_MAX * share)),
            max(1, int(COMMIT_BYTES_MAX * share)),
            max(1, int(BATCHES_MAX * share)),
        )

    def committed(self, seconds: float, allowed_s: float) -> None:
        """A transaction went through in so much of the time that it was allowed."""
        if seconds < allowed_s * _QUICK:
            self._share = min(1.0, self._share * 2)
        elif seconds > allowed_s * _SLOW:
            self._share = max(_SMALLEST_SHARE, self._share / 2)

    def timed_out(self, chunks: int) -> bool:
        """A transaction of so many chunks did not end in time; whether another try is smaller or has more time."""
        if chunks > 1 and self._share > _SMALLEST_SHARE:
            self._share = max(_SMALLEST_SHARE, self._share * _AFTER_TIME_OUT)
            return True
        if self.patience < _PATIENCE_MAX:
            self.patience *= 2
            return True
        return False
