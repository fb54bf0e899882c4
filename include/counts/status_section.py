"""The section `counts` of the status: the newest rows of the table, those that differ first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from include.counts.stage_count import StageCount
from spool.status.section import Section, section

COUNTS = "counts"


class CountRow(NamedTuple):
    """What one stage of one installation took in on a day, and what became of it; `difference` 0 = conserved."""

    feature: str
    stage: str
    day: str
    installation: str
    count_in: int
    count_out: int
    quarantined: int
    errored: int
    difference: int


def counts_section(counts: Iterable[StageCount]) -> Section:
    """A stage at work has a difference until it is done."""
    newest_first = sorted(counts, key=lambda count: count.day, reverse=True)
    newest_first.sort(key=lambda count: count.difference == 0)
    return section(COUNTS, map(count_row, newest_first))


def count_row(count: StageCount) -> CountRow:
    return CountRow(
        count.feature, count.stage, count.day.isoformat(), count.installation,
        count.count_in, count.count_out, count.quarantined, count.errored, count.difference,
    )  # fmt: skip
