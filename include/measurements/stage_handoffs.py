"""
What one stage put out against what the next one took in: nothing may get lost between them.

A stage's own counts agree also where its output vanished before the next stage looked. So every measurement report
that a stage put out must have been taken by the next one, or be in the folder between them, or be held. Those that
are in none of these places are counted as the difference of the row `<stage> to <next stage>`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from include.counts.ledger import StageLedger
from include.counts.stage_count import StageCount
from include.measurements.archived_originals import is_file
from include.measurements.state_folders import StateFolders

FEATURE = "measurements"


class Handoff(NamedTuple):
    """Features and stages as the ledger knows them; `folder` is the state in which an item waits between them."""

    feature: str
    stage: str
    next_feature: str
    next_stage: str
    folder: str

    @property
    def name(self) -> str:
        return f"{self.stage} to {self.next_stage}"


HANDOFFS = (
    Handoff("collectors", "collect", "sanitize", "sanitize", "raw"),
    Handoff("sanitize", "sanitize", "measurements", "postprocess", "staging"),
    Handoff("measurements", "postprocess", "measurements", "import", "reports"),
    Handoff("measurements", "import", "measurements", "publish", "imported"),
)


def counts(ledger: StageLedger, folders: StateFolders, sent: Iterable[StageCount]) -> list[StageCount]:
    """
    A row for each handoff and day with a difference, and for each of those that were `sent` before.

    A difference that was explained since so becomes a row that agrees. Days whose notes were folded have none.
    """
    sent_before = {(row.stage, row.day) for row in sent if row.feature == FEATURE}
    return [row for handoff in HANDOFFS for row in _rows(handoff, ledger, folders, sent_before)]


def _rows(
    handoff: Handoff, ledger: StageLedger, folders: StateFolders, sent_before: set[tuple[str, date]]
) -> Iterator[StageCount]:
    out_of = {row.day: row.count_out for row in ledger.counts() if row[:2] == handoff[:2]}
    lost = Counter(day for _, day in _lost(handoff, ledger, folders))
    for day, count_out in sorted(out_of.items()):
        if lost[day] or (handoff.name, day) in sent_before:
            arrived = count_out - lost[day]
            yield StageCount(FEATURE, handoff.name, day, ledger.installation, count_out, arrived, 0, 0)


def _lost(handoff: Handoff, ledger: StageLedger, folders: StateFolders) -> list[tuple[str, date]]:
    waiting = ledger.out_and_not_taken(*handoff[:4])
    missing = [(item, day) for item, day in waiting if not _is_here(folders, handoff.folder, item)]
    if not missing:
        return []
    # The next stage may have taken one between the two looks.
    waiting_still = {item for item, _ in ledger.out_and_not_taken(*handoff[:4])}
    return [(item, day) for item, day in missing if item in waiting_still]


def _is_here(folders: StateFolders, folder: str, item: str) -> bool:
    return is_file(folders.path(folder, item)) or bool(folders.held_as(item))
