"""A commit in the making: records of several callers in one builder, before the log's lock is taken."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

from spool.clock import Deadline
from spool.errors import SpoolError
from spool.event import COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, OffsetRange
from spool.format import record_batch
from spool.format.event_record import Record


class PendingCommit:
    """One record batch under construction, and the threads that wait for it."""

    def __init__(self, mutex: threading.Lock) -> None:
        self.builder = record_batch.builder(size_max=COMMIT_BYTES_MAX)
        self.event_count = 0
        self.changed = threading.Condition(mutex)
        self.log = ""
        self.first_offset = -1
        self.deadline = Deadline(0)  # of its most patient caller
        self.error: SpoolError | None = None
        self.done = False

    def has_room(self, event_count: int, size_bytes: int) -> bool:
        return (
            self.event_count + event_count <= COMMIT_EVENTS_MAX and self.builder.size() + size_bytes <= COMMIT_BYTES_MAX
        )

    def fill(self, records: Sequence[Record], start: int) -> int:
        """Add records from `start` on until the commit is full; the number of the first that was not added."""
        add, delta = self.builder.append, self.event_count
        stop = min(len(records), start + COMMIT_EVENTS_MAX - delta)
        at = start
        try:
            while at < stop:
                time_ms, key, value, headers = records[at]
                if add(delta, time_ms, key, value, headers) is None:
                    break
                at, delta = at + 1, delta + 1
        finally:
            # Also where the builder refuses a record (no memory): the others' deltas must stay dense.
            self.event_count = delta
        return at


class Part(NamedTuple):
    """Which records of a commit are one caller's."""

    commit: PendingCommit
    first_delta: int
    event_count: int

    def offsets(self) -> OffsetRange:
        first = self.commit.first_offset + self.first_delta
        return OffsetRange(first, first + self.event_count)
