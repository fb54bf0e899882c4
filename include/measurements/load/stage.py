"""
One stage moves reports from one state folder to the next. For every report, in this order:

    1. take it into the counts
    2. act on it: make files, write to the database; may be repeated
    3. rename it into the next folder: from here on it is done
    4. emit the event
    5. settle the counts

Whatever goes wrong with one report is a verdict on it: it ends in errored/<reason> instead of 2 and 3, and the next one
follows. Faults of the machine, the database or the spool end the run, and give no verdict. A process that dies leaves
the report in the first folder (then all is done again) or in the next (then the next run's recovery does 4 and 5).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from include.common.emit import Emit
from include.common.event_type import FeatureEvent
from include.counts.ledger import StageLedger
from include.measurements.errors import MeasurementReportRefused, MeasurementReportsStuck
from include.measurements.events import MeasurementReportErrored
from include.measurements.machine_faults import is_machine_fault
from include.measurements.state_folders import PublishableState, StateFolders, prune
from include.measurements.verdicts import verdict_on
from spool import failpoints

LOGGER = logging.getLogger(__name__)

FEATURE = "measurements"
EMPTY_FOLDERS_KEPT_S = 3600
NAMED_MAX = 20

STEPS = ("taken", "acted", "moved", "emitted", "settled")
failpoints.declare(*(f"{FEATURE}.{stage}.{step}" for stage in ("postprocess", "import") for step in STEPS))
failpoints.declare("measurements.refused.moved")

Act = Callable[[str], FeatureEvent]


class Step(NamedTuple):
    """A stage: from which folder to which. `recovered` makes the event of one whose process died before emitting it."""

    name: str
    source: PublishableState
    target: PublishableState
    beyond: tuple[PublishableState, ...]
    recovered: Callable[[str], FeatureEvent]


class Limit(NamedTuple):
    """A run ends after so many reports or seconds, between two reports."""

    reports: int = 100_000
    deadline_s: float = 3600.0


@dataclass
class StageSummary:
    """Paths are not listed: there may be very many. `left` reports still wait in the source folder."""

    stage: str
    out: int = 0
    errored: int = 0
    left: int = 0
    recovered: int = 0
    sums: dict[str, int] = field(default_factory=dict)


def run(step: Step, act: Act, folders: StateFolders, ledger: StageLedger, emit: Emit, limit: Limit) -> StageSummary:
    """Recover what an earlier run left, then do every report. `act` gives the event; its whole numbers are summed."""
    stage_run = _Run(step, act, folders, ledger, emit, StageSummary(step.name))
    stage_run.recover()
    until = time.monotonic() + limit.deadline_s
    reports = folders.reports(step.source)
    for done, report in enumerate(reports):
        if done == limit.reports or time.monotonic() > until:
            stage_run.summary.left = len(reports) - done
            break
        stage_run.do(report)
    prune(folders.root / step.source, EMPTY_FOLDERS_KEPT_S, time.time())
    LOGGER.info("%s: %s", step.name, stage_run.summary)
    stage_run.raise_if_stuck()
    return stage_run.summary


@dataclass(frozen=True)
class _Run:
    step: Step
    act: Act
    folders: StateFolders
    ledger: StageLedger
    emit: Emit
    summary: StageSummary
    stuck: dict[str, str] = field(default_factory=dict)

    def recover(self) -> None:
        """Steps 4 and 5 for what was renamed by a process that died then."""
        for report in self.ledger.open_items(FEATURE, self.step.name):
            if self.folders.path(self.step.source, report).exists():
                continue
            if any(self.folders.path(state, report).exists() for state in (self.step.target, *self.step.beyond)):
                self._emit_out(report, self.step.recovered(report))
            elif self.folders.held_as(report):
                self._emit_errored(report, "recovered")
            else:
                LOGGER.error("%s: %s is in none of its folders; the counts stay open", self.step.name, report)
                continue
            self.summary.recovered += 1

    def do(self, report: str) -> None:
        self.ledger.take(FEATURE, self.step.name, [report])
        self._reach("taken")
        try:
            with verdict_on(report):
                event = self.act(report)
                self._reach("acted")
                self._move(report)
        except MeasurementReportRefused as refused:
            self._refuse(report, refused)
            return
        self._reach("moved")
        self._emit_out(report, event)
        for name, value in vars(event).items():
            if isinstance(value, int) and not isinstance(value, bool):
                self.summary.sums[name] = self.summary.sums.get(name, 0) + value

    def raise_if_stuck(self) -> None:
        if self.stuck:
            named = "; ".join(f"{report}: {why}" for report, why in islice(self.stuck.items(), NAMED_MAX))
            raise MeasurementReportsStuck(
                f"{self.step.name}: {len(self.stuck)} can neither be processed nor be moved to errored: {named}",
                hint="look at the modes of these files and folders; the others were processed",
            )

    def _refuse(self, report: str, refused: MeasurementReportRefused) -> None:
        LOGGER.warning("%s: %s: %s", self.step.name, report, refused)
        reason = {"reason": refused.reason, "message": str(refused), "from": self.step.source}
        try:
            self.folders.hold(self.folders.path(self.step.source, report), "errored", report, reason)
        except OSError as error:
            if is_machine_fault(error):
                raise
            self.stuck[report] = os.strerror(error.errno or 0)
            return
        failpoints.reach("measurements.refused.moved")
        self._emit_errored(report, refused.reason)

    def _move(self, report: str) -> None:
        try:
            self.folders.move(report, self.step.source, self.step.target)
        except FileExistsError:
            raise MeasurementReportRefused(
                "collision", f"{self.step.target} has a report of this path already"
            ) from None

    def _emit_out(self, report: str, event: FeatureEvent) -> None:
        self.emit(event)
        self._reach("emitted")
        self.ledger.settle(FEATURE, self.step.name, {report: "out"})
        self._reach("settled")
        self.summary.out += 1

    def _emit_errored(self, report: str, reason: str) -> None:
        self.emit(MeasurementReportErrored(report, stage=self.step.name, reason=reason))
        self.ledger.settle(FEATURE, self.step.name, {report: "errored"})
        self.summary.errored += 1

    def _reach(self, name: str) -> None:
        failpoints.reach(f"{FEATURE}.{self.step.name}.{name}")
