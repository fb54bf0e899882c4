"""
One sync of one collector.

    1. finish what an earlier run had begun
    2. the host stages what is finished into a new batch
    3. for every batch at the host that we do not have, those that failed last time after the others:
         a. its name, then its manifest: hashed at the host now
         b. fetch below collecting/, fsynced, at most so many bytes and files
         c. hash here and compare; on a difference fetch all of it once more, against a new manifest
         d. take its files into the counts, note it in collected/ (from here on it is ours)
         e. rename to raw/<collector>/<batch>, then write raw/<collector>/<batch>.manifest: now the next stage sees it
         f. emit the event, mark it published, settle the counts
    4. for every batch that came `forget_after_days` ago: hash our originals again, wherever the later stages have put
       them; what we can still prove, the host forgets, file by file, by its own hashes of then

Each step may be repeated. A process that dies between two of them leaves what the next run's step 1 or 3 takes up.
What is wrong with one batch does not stop the others: the sync names the batches that failed at its end.
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from include.common.atomic_files import fsync_folder
from include.common.emit import Emit
from include.counts.ledger import StageLedger
from include.measurements import batch_manifest
from include.measurements.batch_manifest import MANIFEST_SUFFIX, Manifest
from include.measurements.collect.batch_failures import BatchFailures
from include.measurements.collect.collected import Collected, Record
from include.measurements.collect.config import Collector
from include.measurements.collect.errors import BatchDiffers, BatchRefused, DiskFull, OriginalsLost, SyncRunning
from include.measurements.collect.places import Places
from include.measurements.collect.proof import unproven
from include.measurements.collect.sync_summary import SyncSummary
from include.measurements.collect.transport import Transport, is_batch_name, new_batch_name
from include.measurements.events import BatchCollected, BatchForgotten
from include.measurements.state_folders import prune
from spool import failpoints
from spool.durable_file import GROUP_READS, write_durably
from spool.file_lock import FileLock

LOGGER = logging.getLogger(__name__)

FEATURE, STAGE = "collectors", "collect"
DAY_MS = 86_400_000
# The second one starts from nothing: what differs twice is changing under our hands.
TRANSFERS_MAX = 2
# No batch is begun later: the rest waits for the next sync, which the task's two hours leave time for.
DEADLINE_S = 5400.0

failpoints.declare(
    "collectors.staged",
    "collectors.manifest_read",
    "collectors.fetched",
    "collectors.compared",
    "collectors.noted",
    "collectors.renamed",
    "collectors.manifest_written",
    "collectors.event_told",
    "collectors.counts_settled",
    "collectors.published",
    "collectors.proven",
    "collectors.forgotten",
)


def sync(
    collector: Collector,
    transport: Transport,
    places: Places,
    ledger: StageLedger,
    emit: Emit,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    deadline_s: float = DEADLINE_S,
) -> SyncSummary:
    """
    Do steps 1 to 4. Every batch named in the summary is durable and visible to the next stage when it returns.

    Where batches failed, it raises at its end one error that names them; the other batches were given on, and
    forgotten, before. A host that cannot be reached, or a fault of this machine, ends it at once.
    """
    summary = SyncSummary(collector.id)
    failures = BatchFailures(collector.id, transport.batches)
    until = time.monotonic() + deadline_s
    run = _Run(
        collector, transport, places, Collected(places.collected), ledger, emit, summary, failures, now_ms, until
    )  # fmt: skip
    try:
        with _alone(places):
            run.finish_earlier()
            run.stage()
            run.collect_new()
            run.forget_old()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no space left below {places.raw.parent}", hint="make space; nothing was lost") from error
        raise
    finally:
        LOGGER.info("%s: %s", collector.id, summary)
    failures.raise_if_any()
    return summary


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    lock = FileLock(places.collecting / ".lock")
    try:
        if not lock.try_acquire():
            raise SyncRunning(f"another sync holds {places.collecting}", hint="wait for it to end")
        yield
    finally:
        lock.close()


@dataclass(frozen=True)
class _Run:
    collector: Collector
    transport: Transport
    places: Places
    collected: Collected
    ledger: StageLedger
    emit: Emit
    summary: SyncSummary
    failures: BatchFailures
    now_ms: Callable[[], int]
    until: float

    def finish_earlier(self) -> None:
        open_items = set(self.ledger.open_items(FEATURE, STAGE))
        open_batches = {item.split("/")[1] for item in open_items if item.startswith(f"{self.collector.id}/")}
        for batch in self.collected.published():
            if batch in open_batches:
                with self.failures.apart(batch):
                    items = self._items(self.collected.read(batch, "published"))
                    self._settle([item for item in items if item in open_items])
        for batch in self.collected.verified():
            with self.failures.apart(batch):
                self._give(self.collected.read(batch, "verified"))

    def stage(self) -> None:
        # What was staged before is collected also where the host cannot stage more.
        with self.failures.apart("(stage)"):
            self.transport.stage(new_batch_name(self.now_ms()))
        failpoints.reach("collectors.staged")

    def collect_new(self) -> None:
        new = [batch for batch in self.transport.batches() if self._is_new(batch)]
        for number, batch in enumerate(sorted(new, key=lambda batch: (self.collected.failed_last(batch), batch))):
            if time.monotonic() > self.until:
                self.summary.left = len(new) - number
                return
            with self.failures.apart(batch):
                self._collect(batch)
            self.collected.note_outcome(batch, failed=batch in self.failures)

    def forget_old(self) -> None:
        before_ms = self.now_ms() - int(self.collector.source.forget_after_days * DAY_MS)
        for batch in self.collected.published():
            if time.monotonic() > self.until:
                return
            with self.failures.apart(batch):
                record = self.collected.read(batch, "published")
                if record.verified_ms <= before_ms:
                    self._forget(record)

    def _is_new(self, batch: str) -> bool:
        if not is_batch_name(batch):
            hint = "look at what the host's gate answers to `list`; nothing was taken or deleted"
            self.failures.note(f"{batch[:80]!a}", BatchRefused("no batch may be called so", hint=hint))
            return False
        return not self.collected.knows(batch)

    def _collect(self, batch: str) -> None:
        record = self._fetch(batch)
        self.ledger.take(FEATURE, STAGE, self._items(record))
        self.collected.add(record)
        failpoints.reach("collectors.noted")
        self._give(record)

    def _fetch(self, batch: str) -> Record:
        folder = self.places.collecting / batch
        for _ in range(TRANSFERS_MAX):
            manifest = self.transport.manifest(batch)
            failpoints.reach("collectors.manifest_read")
            transferred = self._transferred(batch, folder)
            failpoints.reach("collectors.fetched")
            difference = batch_manifest.compare(folder, manifest)
            failpoints.reach("collectors.compared")
            if not difference:
                prune(folder, older_than_s=-DEADLINE_S, now_s=time.time())
                self.summary.size_bytes += transferred
                return Record(batch, self.now_ms(), manifest)
            LOGGER.warning("%s/%s differs from its manifest: %s", self.collector.id, batch, difference)
            # rsync would take a file of the right size and time for the right one: nothing is kept.
            shutil.rmtree(folder)
        raise BatchDiffers(
            f"{self.collector.id}/{batch} differs from its manifest: {difference}",
            hint="files are changing at the host after they were staged, or a disk is failing; nothing was deleted",
        )

    def _transferred(self, batch: str, folder: Path) -> int:
        try:
            return self.transport.fetch(batch, folder).size_bytes
        except BatchRefused:
            # What was too much is not kept until somebody looks.
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _give(self, record: Record) -> None:
        self._show(record.batch, record.manifest)
        self.emit(BatchCollected(f"{self.collector.id}/{record.batch}", files=len(record.manifest)))
        failpoints.reach("collectors.event_told")
        self.collected.mark_published(record.batch)
        failpoints.reach("collectors.published")
        self._settle(self._items(record))
        failpoints.reach("collectors.counts_settled")
        self.summary.batches.append(record.batch)
        self.summary.files += len(record.manifest)

    def _show(self, batch: str, manifest: Manifest) -> None:
        coming, shown = self.places.collecting / batch, self.places.raw / batch
        if coming.exists():
            coming.rename(shown)
            fsync_folder(self.places.raw)
            failpoints.reach("collectors.renamed")
        # Neither here nor there: shown by an earlier try and taken by the next stage since.
        text = self.places.raw / (batch + MANIFEST_SUFFIX)
        if shown.exists() and not text.exists():
            write_durably(text, batch_manifest.encode(manifest), mode=GROUP_READS)
            failpoints.reach("collectors.manifest_written")

    def _forget(self, record: Record) -> None:
        self._prove(record)
        failpoints.reach("collectors.proven")
        forgotten = self.transport.forget(record.batch, record.manifest)
        failpoints.reach("collectors.forgotten")
        key, changed = f"{self.collector.id}/{record.batch}", len(forgotten.changed)
        self.emit(BatchForgotten(key, files=forgotten.files, changed=changed, left=forgotten.left))
        self.summary.forgotten += forgotten.files
        self.summary.changed += len(forgotten.changed)
        if not forgotten.left:
            self.collected.drop(record.batch)

    def _prove(self, record: Record) -> None:
        lost = unproven(self.places.state, self.collector.id, record.batch, record.manifest)
        if lost:
            raise OriginalsLost(
                f"{self.collector.id}/{record.batch}: of {len(record.manifest)} originals {len(lost)} are not here any"
                " more as they were collected",
                hint="the host keeps its copy; docs/runbooks/collector-refuses.md says how to collect it again",
            )

    def _items(self, record: Record) -> list[str]:
        return [f"{self.collector.id}/{record.batch}/{path}" for path in record.manifest]

    def _settle(self, items: list[str]) -> None:
        self.ledger.settle(FEATURE, STAGE, dict.fromkeys(items, "out"))
