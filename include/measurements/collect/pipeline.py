"""
One sync of one collector.

    1. finish what an earlier run had begun
    2. the host stages what is finished into a new batch
    3. for every batch at the host that we do not have:
         a. its manifest: hashed at the host now
         b. fetch below collecting/, fsynced
         c. hash here and compare; on a difference fetch all of it once more, against a new manifest
         d. take its files into the counts, note it in collected/ (from here on it is ours)
         e. rename to raw/<collector>/<batch>, then write raw/<collector>/<batch>.manifest: now the next stage sees it
         f. tell the event, mark it published, settle the counts
    4. the host forgets, file by file, what its hashes of then prove, `forget_after_days` after d.

Each step may be repeated. A process that dies between two of them leaves what the next run's step 1 or 3 takes up.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from include.common.atomic_files import fsync_folder, write_durably
from include.common.emit import Emit
from include.common.stage_ledger import StageLedger
from include.measurements import batch_manifest
from include.measurements.batch_manifest import MANIFEST_SUFFIX, Manifest
from include.measurements.collect.collected import Collected, Record
from include.measurements.collect.config import Collector
from include.measurements.collect.errors import BatchDiffers, DiskFull, SyncRunning
from include.measurements.collect.transport import Transport
from include.measurements.state_folders import StateFolders, check_one_file_system
from spool import failpoints

LOGGER = logging.getLogger(__name__)

FEATURE, STAGE = "collectors", "collect"
DAY_MS = 86_400_000
# The second one starts from nothing: what differs twice is changing under our hands.
TRANSFERS_MAX = 2

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
    "collectors.forgotten",
)


@dataclass(frozen=True)
class Places:
    """Folders of one collector; all on one file system, `state` being the root of all states."""

    collecting: Path
    raw: Path
    collected: Path

    @classmethod
    def of(cls, state: Path, collector: str) -> Places:
        """Makes the folders that are missing; SettingsError where they lie on different file systems."""
        StateFolders(state)
        for room in ("collecting", "collected"):
            # Originals: only the owner may look into them.
            (state / room).mkdir(mode=0o700, exist_ok=True)
        places = cls(*(state / room / collector for room in ("collecting", "raw", "collected")))
        for folder in (places.collecting, places.raw, places.collected):
            folder.mkdir(exist_ok=True)
        check_one_file_system(places.raw, places.collecting)
        return places


@dataclass
class SyncSummary:
    """What one sync did: batches given to the next stage, the files in them, files the host has forgotten."""

    collector: str
    batches: list[str] = field(default_factory=list)
    files: int = 0
    size_bytes: int = 0
    forgotten: int = 0
    changed: int = 0


def sync(
    collector: Collector,
    transport: Transport,
    places: Places,
    ledger: StageLedger,
    emit: Emit,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> SyncSummary:
    """
    Do steps 1 to 4. Every batch named in the summary is durable and visible to the next stage when it returns.

    A batch that differs from its manifest fails the sync only after the other batches were given on.
    """
    summary = SyncSummary(collector.id)
    run = _Run(collector, transport, places, Collected(places.collected), ledger, emit, summary, now_ms)
    try:
        with _alone(places):
            run.finish_earlier()
            transport.stage(batch_name(now_ms()))
            failpoints.reach("collectors.staged")
            different = run.collect_new()
            run.forget_old()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(f"no space left below {places.raw.parent}", hint="make space; nothing was lost") from error
        raise
    if different:
        raise different[0]
    return summary


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    with (places.collecting / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SyncRunning(f"another sync holds {places.collecting}", hint="wait for it to end") from None
        yield


def batch_name(at_ms: int) -> str:
    """Time, for people, and four random bytes, for two runs of one second."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y%m%dt%H%M%S}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class _Run:
    collector: Collector
    transport: Transport
    places: Places
    collected: Collected
    ledger: StageLedger
    emit: Emit
    summary: SyncSummary
    now_ms: Callable[[], int]

    def finish_earlier(self) -> None:
        open_items = set(self.ledger.open_items(FEATURE, STAGE))
        for record in self.collected.published():
            self._settle([item for item in self._items(record) if item in open_items])
        for record in self.collected.verified():
            self._give(record)

    def collect_new(self) -> list[BatchDiffers]:
        different = []
        for batch in self.transport.batches():
            if self.collected.knows(batch):
                continue
            try:
                record = self._fetch(batch)
            except BatchDiffers as error:
                different.append(error)
                continue
            self.ledger.take(FEATURE, STAGE, self._items(record))
            self.collected.add(record)
            failpoints.reach("collectors.noted")
            self._give(record)
        return different

    def forget_old(self) -> None:
        before_ms = self.now_ms() - int(self.collector.forget_after_days * DAY_MS)
        for record in self.collected.published():
            if record.verified_ms <= before_ms:
                self._forget(record)

    def _fetch(self, batch: str) -> Record:
        folder = self.places.collecting / batch
        for _ in range(TRANSFERS_MAX):
            manifest = self.transport.manifest(batch)
            failpoints.reach("collectors.manifest_read")
            transferred = self.transport.fetch(batch, folder)
            failpoints.reach("collectors.fetched")
            difference = batch_manifest.compare(folder, manifest)
            failpoints.reach("collectors.compared")
            if not difference:
                self.summary.size_bytes += transferred.size_bytes
                return Record(batch, self.now_ms(), manifest)
            LOGGER.warning("%s/%s differs from its manifest: %s", self.collector.id, batch, difference)
            # rsync would take a file of the right size and time for the right one: nothing is kept.
            shutil.rmtree(folder)
        raise BatchDiffers(
            f"{self.collector.id}/{batch} differs from its manifest: {difference}",
            hint="files are changing at the host after they were staged, or a disk is failing; nothing was deleted",
        )

    def _give(self, record: Record) -> None:
        self._show(record.batch, record.manifest)
        self.emit("batch.collected", f"{self.collector.id}/{record.batch}", {"files": len(record.manifest)})
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
            write_durably(text, batch_manifest.encode(manifest))
            failpoints.reach("collectors.manifest_written")

    def _forget(self, record: Record) -> None:
        forgotten = self.transport.forget(record.batch, record.manifest)
        failpoints.reach("collectors.forgotten")
        self.emit(
            "batch.forgotten",
            f"{self.collector.id}/{record.batch}",
            {"files": forgotten.files, "changed": len(forgotten.changed), "left": forgotten.left},
        )
        self.summary.forgotten += forgotten.files
        self.summary.changed += len(forgotten.changed)
        if not forgotten.left:
            self.collected.drop(record.batch)

    def _items(self, record: Record) -> list[str]:
        return [f"{self.collector.id}/{record.batch}/{path}" for path in record.manifest]

    def _settle(self, items: list[str]) -> None:
        self.ledger.settle(FEATURE, STAGE, dict.fromkeys(items, "out"))
