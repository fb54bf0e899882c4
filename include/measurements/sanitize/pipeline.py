"""
One run: every batch whose manifest matches, every report of it, from `raw` to the state it belongs in.

    0. nothing waits in raw, nothing was begun: that is all
    1. settings and bridge map are good, all states lie on one file system        else nothing is moved
    2. finish the batches an earlier run had begun
    3. for each batch of raw/<collector>/:
         a. compare it with its manifest; one that differs is left alone and told
         b. note it as begun, take its reports into the counts
         c. for each report:
              i.    sanitize it, in the sandbox, into sanitizing/
              ii.   a sanitized one: pack the original into archive/, proven by unpacking
              iii.  write the verdict: from here on it is known what is to become of the report
              iv.   a sanitized one: replace the original in raw/ by the sanitized bytes
              v.    one rename: raw/ -> staging/, quarantine/<reason>/ or errored/<reason>/
              vi.   tell the event, settle the counts, forget the verdict
         d. remove its empty folder, its manifest, and the note

At every moment a report lies in exactly one state folder: only 3.c.v changes its state. A process that dies leaves it
in raw (then its bytes are the manifest's, or those of its verdict, and the run goes on from i or v) or in the next
state (then vi is done from the verdict).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from include.common.atomic_files import fsync_folder
from include.common.emit import Emit
from include.common.stage_ledger import StageLedger
from include.measurements import batch_manifest
from include.measurements.batch_manifest import MANIFEST_SUFFIX, ManifestRefused
from include.measurements.sanitize import config
from include.measurements.sanitize.batch_work import Batch, BatchWork
from include.measurements.sanitize.config import SanitizeSettings
from include.measurements.sanitize.reader import Reader
from include.measurements.sanitize.secret_forms import Secrets
from include.measurements.sanitize.settle import Report, Settler
from include.measurements.state_folders import StateFolders, check_one_file_system
from spool import failpoints

LOGGER = logging.getLogger(__name__)

FEATURE = STAGE = "sanitize"

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
    tell     called with each report that was settled
    """

    raw: Path
    folders: StateFolders
    bridges: Path
    settings: SanitizeSettings
    ledger: StageLedger
    emit: Emit
    limit: Limit = field(default_factory=Limit)
    tell: Callable[[Report], None] = lambda report: None


@dataclass
class RunSummary:
    """Counts of reports by outcome; batches that were refused, by name; `left` says that the limit ended the run."""

    sanitized: int = 0
    quarantined: int = 0
    errored: int = 0
    bad_documents: int = 0
    refused: list[str] = field(default_factory=list)
    left: bool = False

    def add(self, report: Report) -> None:
        setattr(self, report.status, getattr(self, report.status) + 1)
        self.bad_documents += report.bad


def run(job: Job) -> RunSummary:
    """
    Every report that was told is durably in its state when it returns.

    Where nothing waits, nobody needs the bridge map: it may be missing on the first day, or old on a quiet one.
    """
    check_one_file_system(job.folders.root, job.raw)
    summary = RunSummary()
    with job.folders.alone(FEATURE):
        if not _something_waits(job):
            LOGGER.info("sanitize: nothing waits in %s; the bridge map was not looked at", job.raw)
            return summary
        bridges = config.load_bridges(job.bridges, job.settings.bridge_map_days_max)
        settler = Settler(job.folders, job.ledger, job.emit, Secrets.of(bridges), job.settings.gzip_level)
        one = _Run(job, settler, summary, time.monotonic() + job.limit.deadline_s)
        for batch in one.batches():
            one.do(batch)
            if summary.left:
                break
    LOGGER.info("sanitize: %s", summary)
    return summary


def _something_waits(job: Job) -> bool:
    """A batch that was begun, or any manifest: whether its batch can be used is not asked here."""
    return bool(BatchWork.begun(job.folders, job.raw)) or any(job.raw.glob(f"*/*{MANIFEST_SUFFIX}"))


@dataclass
class _Run:
    job: Job
    settler: Settler
    summary: RunSummary
    until: float
    done: int = 0

    def batches(self) -> Iterator[BatchWork]:
        """Those begun by an earlier run, then those that wait; a batch that is refused is not among them."""
        begun = BatchWork.begun(self.job.folders, self.job.raw)
        yield from begun
        known = {work.batch for work in begun}
        for manifest in sorted(self.job.raw.glob(f"*/*{MANIFEST_SUFFIX}")):
            batch = Batch(manifest.parent.name, manifest.name.removesuffix(MANIFEST_SUFFIX))
            if batch not in known and (work := self._checked(batch, manifest)) is not None:
                yield work

    def do(self, work: BatchWork) -> None:
        if not work.is_taken():
            self.job.ledger.take(FEATURE, STAGE, work.reports())
            work.mark_taken()
            failpoints.reach("sanitize.batch.taken")
        still_open = set(self.job.ledger.open_items(FEATURE, STAGE))
        with Reader(work.raw, work.folder, self.job.bridges, self.job.settings) as reader:
            for number, path in enumerate(work.paths()):
                if work.report(path) not in still_open:
                    continue
                if self.done >= self.job.limit.reports or time.monotonic() > self.until:
                    self.summary.left = True
                    return
                report = self.settler.settle(work, number, path, reader)
                if report is not None:
                    self.done += 1
                    self.summary.add(report)
                    self.job.tell(report)
        work.remove_empty_raw()
        failpoints.reach("sanitize.batch.emptied")
        work.finish()
        failpoints.reach("sanitize.batch.finished")

    def _checked(self, batch: Batch, manifest: Path) -> BatchWork | None:
        try:
            wanted = batch_manifest.parse(manifest.read_text(encoding="utf-8", errors="strict"))
            difference = batch_manifest.compare(self.job.raw / batch.collector / batch.name, wanted)
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
        LOGGER.error("batch %s is not what its manifest says (%s): left in raw", batch, why)
        self.job.emit("batch.refused", str(batch), {"why": why})
        self.summary.refused.append(str(batch))
