"""What verify reports: one row per log, one report per stream, one error for everything that is not green."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from spool.errors import VerifyFailed
from spool.names import LogName


class VerifyRow(NamedTuple):
    """
    One log; counts of events.

    archived      in the object store, holes not counted
    delivered     of these, seen in Kafka (fast: noted as delivered)
    waiting       archived and behind the checkpoint: replay has not come there yet
    skipped       dead letters
    holes         offsets without an event, from damage or a forward rewind
    expired       removed by the topic's retention
    missing, doubled, out_of_order, gaps   must be 0
    error         why the log could not be compared, or how Kafka contradicts its checkpoint; must be empty
    """

    stream: str
    log: str
    archived: int = 0
    delivered: int = 0
    waiting: int = 0
    skipped: int = 0
    holes: int = 0
    expired: int = 0
    missing: int = 0
    doubled: int = 0
    out_of_order: int = 0
    gaps: int = 0
    error: str = ""

    @property
    def is_green(self) -> bool:
        return not (self.missing or self.doubled or self.out_of_order or self.gaps or self.error)

    @property
    def evidence(self) -> str:
        """What is wrong, in a line."""
        counts = f"{self.missing} missing, {self.doubled} doubled, {self.out_of_order} out of order, {self.gaps} gaps"
        return f"{counts}; {self.error}" if self.error else counts


class VerifyReport(NamedTuple):
    """Rows by log; `foreign` = records in the topic that no spool wrote (full form only)."""

    stream: str
    full: bool
    rows: tuple[VerifyRow, ...]
    foreign: int

    @property
    def is_green(self) -> bool:
        return all(row.is_green for row in self.rows)


def demand_green(reports: Sequence[VerifyReport]) -> None:
    """VerifyFailed naming each log with a difference."""
    red = [row for report in reports for row in report.rows if not row.is_green]
    if red:
        raise VerifyFailed(
            "; ".join(f"{LogName(row.stream, row.log)}: {row.evidence}" for row in red),
            hint="run `verify --full` for the exact count; docs/alarms.md says what each means",
        )
