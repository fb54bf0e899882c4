"""Rows, rate and what is left, while a table is loaded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

LOGGER = logging.getLogger(__name__)

REPORT_EVERY_S = 5.0


class Progress(NamedTuple):
    """`rows` of `total` are on their way to the target after `seconds`; both numbers are of the same snapshot."""

    table: str
    rows: int
    total: int
    seconds: float

    @property
    def rows_per_s(self) -> int:
        return int(self.rows / self.seconds) if self.seconds > 0 else 0

    @property
    def left_s(self) -> int | None:
        """None before the first row."""
        return int(self.seconds * (self.total - self.rows) / self.rows) if self.rows else None

    def __str__(self) -> str:
        left = "" if self.left_s is None else f", about {self.left_s} s left"
        return f"{self.table}: {self.rows:,} of {self.total:,} rows, {self.rows_per_s:,} rows/s{left}"


Report = Callable[[Progress], object]


def log_progress(progress: Progress) -> None:
    """A line of the log."""
    LOGGER.info("%s", progress)


class Meter:
    """Counts rows and reports at most every REPORT_EVERY_S."""

    def __init__(self, table: str, total: int, report: Report, clock: Callable[[], float] = time.monotonic) -> None:
        self._table, self._total, self._report, self._clock = table, total, report, clock
        self._started = self._reported = clock()
        self.rows = 0

    def count(self, rows: int) -> None:
        self.rows += rows
        if self._clock() - self._reported >= REPORT_EVERY_S:
            self._reported = self._clock()
            self._report(self.progress())

    def progress(self) -> Progress:
        return Progress(self._table, self.rows, self._total, self._clock() - self._started)
