"""
One run: every batch whose manifest matches, every report of it, from `raw` to the state it belongs in.

    0. nothing waits in raw, nothing was begun: that is all
    1. settings and bridge map are good, all states are on one file system         else nothing is moved
    2. finish the batches an earlier run had begun
    3. for each batch of raw/<collector>/:
         a. compare it with its manifest; one that differs is kept in place and reported
         b. note it as begun, take its reports into the counts
         c. for each report:
              i.    sanitize it, in the sandbox, into sanitizing/
              ii.   a sanitized one: pack the original into archive/, proven by unpacking
              iii.  write the verdict: from here on it is known what is to become of the report
              iv.   a sanitized one: replace the original in raw/ by the sanitized bytes
              v.    one rename: raw/ -> staging/, quarantine/<reason>/ or errored/<reason>/
              vi.   emit the event, settle the counts, delete the verdict
         d. remove its empty folder, its manifest, and the note

At every moment a report is in exactly one state folder: only 3.c.v changes its state. A process that dies leaves it
in raw (then its bytes are the manifest's, or those of its verdict, and the run continues from i or v) or in the next
state (then vi is done from the verdict).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from include.common.atomic_files import fsync_folder
from include.common.emit import Emit
from include.counts.ledger import StageLedger
from include.measurements import batch_manifest
from include.measurements.batch_manifest import MANIFEST_SUFFIX, ManifestRefused
from include.measurements.errors import MeasurementReportsStuck
from include.measurements.events import BatchRefused
from include.measurements.machine_faults import is_machine_fault
from include.measurements.sanitize import config
from include.measurements.sanitize.batch_work import Batch, BatchWork
from include.measurements.sanitize.config import SanitizeSettings
from include.measurements.sanitize.errors import MachineFault
from include.measurements.sanitize.reader import Reader
from include.measurements.sanitize.secret_forms import Secrets
from include.measurements.sanitize.settle import FEATURE, STAGE, Report, Settler
from include.measurements.sanitize.verdict import Outcome
from include.measurements.state_folders import StateFolders, check_one_file_system
from spool import failpoints
from spool.errors import SpoolError

LOGGER = logging.getLogger(__name__)

failpoints.declare("sanitize.batch.begun", "sanitize.batch.taken", "sanitize.batch.emptied", "sanitize.batch.finished")


class Limit(NamedTuple):
    """A run ends after so many reports or seconds, between two reports."""

    reports: int = 100_000
    deadline_s: float = 3600.0


@dataclass(frozen=True)
class Job:
    """
    What a run works on.

    raw      folder of collectors: `<collector>/<batch>/` beside `<collector>/<batch>.manifest`
    on_settled  called with each report that was settled
    """

    raw: Path
    folders: StateFolders
    bridges: Path
    settings: SanitizeSettings
    ledger: StageLedger
    emit: Emit
    limit: Limit = field(default_factory=Limit)
    on_settled: Callable[[Report], None] = lambda report: None


@dataclass
class RunSummary:
    """
    Counts of measurement reports by outcome.

    refused   batches that were left alone, by name
    stuck     reports that stay in raw, because they could neither be judged nor moved
    left      the limit ended the run
    """

    sanitized: int = 0
    quarantined: int = 0
    errored: int = 0
    bad_documents: int = 0
    refused: list[str] = field(default_factory=list)
    stuck: int = 0
    left: bool = False

    def add(self, status: Outcome, bad: int) -> None:
        self.sanitized += status == "sanitized"
        self.quarantined += status == "quarantined"
        self.errored += status == "errored"
        self.bad_documents += bad


def run(job: Job) -> RunSummary:
    """
    Every report that `on_settled` was called with is durably in its state when it returns.

    Where nothing waits, nobody needs the bridge map: it may be missing on the first day, or old on a quiet one.
    MachineFault ends the run at once. MeasurementReportsStuck, at its end, says how many could not be moved.
    """
    check_one_file_system(job.folders.root, job.raw)
    summary = RunSummary()
    with job.folders.alone(FEATURE):
        if not _something_waits(job):
            LOGGER.info("sanitize: nothing waits in %s; the bridge map was not looked at", job.raw)
            return summary
        bridges = config.load_bridges(job.bridges, job.settings.bridge_map_days_max)
        settler = Settler(job.folders, job.ledger, job.emit, Secrets.of(bridges), job.settings.gzip_level)
        _Run(job, settler, summary).do_all()
    LOGGER.info("sanitize: %s", summary)
    if summary.stuck:
        raise MeasurementReportsStuck(
            f"{summary.stuck} measurement reports stay in raw: they can neither be judged nor moved",
            hint="the log says why; look at the rights of the folders, the next run tries again",
        )
    return summary


def _something_waits(job: Job) -> bool:
    """A batch that was begun, or any manifest: whether its batch can be used is not asked here."""
    return bool(BatchWork.begun(job.folders, job.raw)) or any(job.raw.glob(f"*/*{MANIFEST_SUFFIX}"))


class _Share(NamedTuple):
    """What one collector may use of a run's limit: up to this number of reports of the run, and up to this time."""

    reports: int
    until: float


@dataclass
class _Run:
    job: Job
    settler: Settler
    summary: RunSummary
    done: int = 0

    def do_all(self) -> None:
        """Each collector has its share of what is left of the limit: none waits until another has no more reports."""
        until = time.monotonic() + self.job.limit.deadline_s
        waiting = [list(batches) for _, batches in groupby(self._batches(), key=lambda batch: batch.collector)]
        for left, batches in zip(range(len(waiting), 0, -1), waiting, strict=True):
            now = time.monotonic()
            reports = -(-(self.job.limit.reports - self.done) // left)
            self._do_collector(batches, _Share(self.done + reports, now + (until - now) / left))

    def _batches(self) -> list[Batch]:
        raw = self.job.raw
        waiting = {
            Batch(manifest.parent.name, manifest.name.removesuffix(MANIFEST_SUFFIX))
            for manifest in raw.glob(f"*/*{MANIFEST_SUFFIX}")
        }
        return sorted(waiting | {work.batch for work in BatchWork.begun(self.job.folders, raw)})

    def _do_collector(self, batches: list[Batch], share: _Share) -> None:
        """Those begun by an earlier run, then those that wait."""
        begun = {work.batch: work for work in BatchWork.begun(self.job.folders, self.job.raw)}
        for batch in sorted(batches, key=lambda batch: (batch not in begun, batch)):
            try:
                work = begun.get(batch) or self._checked(batch)
                if work is not None and not self._do(work, share):
                    self.summary.left = True
                    return
            except SpoolError:
                raise
            except OSError as error:
                # What is odd about one batch's files must not keep the next ones waiting.
                if is_machine_fault(error):
                    raise MachineFault.of(error) from None
                self._refuse(batch, f"{type(error).__name__} {error.errno}")

    def _do(self, work: BatchWork, share: _Share) -> bool:
        """False where the share was used up before the batch was finished."""
        if not work.is_taken():
            self.job.ledger.take(FEATURE, STAGE, work.reports())
            work.mark_taken()
            failpoints.reach("sanitize.batch.taken")
        still_open = set(self.job.ledger.open_items(FEATURE, STAGE))
        stuck_before = self.summary.stuck
        with Reader(work.raw, work.folder, self.job.bridges, self.job.settings) as reader:
            for number, path in enumerate(work.paths()):
                if work.report(path) not in still_open:
                    continue
                if self.done >= share.reports or time.monotonic() > share.until:
                    return False
                self._settle(work, number, path, reader)
        if self.summary.stuck == stuck_before:
            work.remove_empty_raw()
            failpoints.reach("sanitize.batch.emptied")
            work.finish()
            failpoints.reach("sanitize.batch.finished")
        return True

    def _settle(self, work: BatchWork, number: int, path: str, reader: Reader) -> None:
        self.done += 1
        try:
            report = self.settler.settle(work, number, path, reader)
        except SpoolError:
            raise
        except OSError as error:
            if is_machine_fault(error):
                raise MachineFault.of(error) from None
            batch = self.settler.shown(str(work.batch))
            # Neither its name nor a path: both may hold secrets.
            LOGGER.error("measurement report %d of %s stays in raw: errno %s", number, batch, error.errno)  # noqa: TRY400
            self.summary.stuck += 1
            return
        if report is not None:
            self.summary.add(report.status, report.bad)
            self.job.on_settled(report)

    def _checked(self, batch: Batch) -> BatchWork | None:
        folder = self.job.raw / batch.collector / batch.name
        try:
            text = folder.with_name(folder.name + MANIFEST_SUFFIX).read_text(encoding="utf-8", errors="strict")
            wanted = batch_manifest.parse(text)
            difference = batch_manifest.compare(folder, wanted)
        except (ManifestRefused, UnicodeDecodeError) as error:
            self._refuse(batch, type(error).__name__)
            return None
        if difference:
            counts = {name: len(paths) for name, paths in difference._asdict().items()}
            self._refuse(batch, json.dumps(counts))
            return None
        work = BatchWork.begin(self.job.folders, self.job.raw, batch, wanted)
        fsync_folder(self.job.raw / batch.collector)
        failpoints.reach("sanitize.batch.begun")
        return work

    def _refuse(self, batch: Batch, why: str) -> None:
        name = self.settler.shown(str(batch))
        LOGGER.error("batch %s is not what its manifest says (%s): left in raw", name, why)
        self.job.emit(BatchRefused(name, why=why))
        self.summary.refused.append(name)
