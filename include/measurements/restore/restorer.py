"""
Sanitize one archived report again, and let it replace what it produced.

    1. unpack the archived original into restoring/<id>/raw, as a batch with its manifest
    2. sanitize it there; its result must be exactly one report, or nothing is changed
    3. take the old report out of its state folder, into restoring/<id>/old
    4. take it out of the mirror, then out of the database
    5. put the new one into staging: post-process, import and publish go on as with any other
    6. tell the event, remove restoring/<id>

The archive is only read, so nothing can get lost. A process that dies is finished by restoring the same report again.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from include.common.atomic_files import rename_durably, write_durably
from include.common.emit import Emit
from include.measurements import batch_manifest
from include.measurements.errors import RestoreRefused
from include.measurements.load.mongo_store import MeasurementStore
from include.measurements.publish.mirror import read_index
from include.measurements.state_folders import PublishableState, StateFolders
from spool import failpoints

LOGGER = logging.getLogger(__name__)

ARCHIVE_SUFFIX = ".gz"
STATES: tuple[PublishableState, ...] = ("staging", "reports", "imported")
UNPACKED_BYTES_MAX = 4 * 1024**3

failpoints.declare(
    *(f"measurements.restore.{n}" for n in ("sanitized", "taken_out", "unpublished", "deleted", "staged"))
)

Sanitize = Callable[[Path, Path], str]
"""(folder `raw`, folder for the state folders): sanitizes all batches of the one into the other; what it said."""


@dataclass(frozen=True)
class RestorePlan:
    """What a restore replaces. `state` is empty where the report lies in none of the state folders."""

    report: str
    archived: str
    state: str
    report_ids: tuple[str, ...]
    public: tuple[str, ...]


@dataclass(frozen=True)
class Restorer:
    """`unpublish` makes the mirror show what `imported` holds by then."""

    folders: StateFolders
    archive: Path
    store: MeasurementStore
    sanitize: Sanitize
    unpublish: Callable[[], object]
    emit: Emit

    def plan(self, archived: str) -> RestorePlan:
        """What would be replaced; RestoreRefused where there is no such archived report."""
        if not batch_manifest.is_safe_path(archived) or not archived.endswith(ARCHIVE_SUFFIX):
            raise RestoreRefused(
                f"not the path of an archived report: {archived!a}", hint="give it relative to archive/"
            )
        file = self.archive / archived
        if file.is_symlink() or not file.is_file():
            raise RestoreRefused(f"no archived report {archived!a}", hint="`ls` below the archive folder shows them")
        report = self._report_of(archived)
        public = tuple(row["path"] for row in read_index(self.folders.public) if row["report_file"] == report)
        state = next((name for name in STATES if self.folders.path(name, report).exists()), "")
        return RestorePlan(report, archived, state, tuple(self.store.report_ids(report)), public)

    def _report_of(self, archived: str) -> str:
        """A second original of one report is archived as `<report>.1.gz`."""
        report = archived.removesuffix(ARCHIVE_SUFFIX)
        first, _, number = report.rpartition(".")
        return first if number.isdecimal() and (self.archive / (first + ARCHIVE_SUFFIX)).is_file() else report

    def restore(self, archived: str) -> RestorePlan:
        """Do it; the new report is in `staging` when it returns."""
        with self.folders.alone("measurements"):
            plan = self.plan(archived)
            work = self.folders.restoring / hashlib.sha256(archived.encode()).hexdigest()[:16]
            new, old = work / "new", work / "old"
            if not new.exists() and not old.exists():
                self._sanitized(plan, work, new)
            if new.exists():
                self._replace(plan, new, old)
            self.emit(
                "measurement_report.restored",
                plan.report,
                {"replaced_in": plan.state, "report_ids": list(plan.report_ids)},
            )
            shutil.rmtree(work, ignore_errors=True)
        LOGGER.info("restored %s", plan)
        return plan

    def _replace(self, plan: RestorePlan, new: Path, old: Path) -> None:
        for state in STATES:
            if self.folders.path(state, plan.report).exists():
                old.unlink(missing_ok=True)
                rename_durably(self.folders.path(state, plan.report), old)
        failpoints.reach("measurements.restore.taken_out")
        self.unpublish()
        failpoints.reach("measurements.restore.unpublished")
        for identity in plan.report_ids:
            self.store.delete(identity)
        failpoints.reach("measurements.restore.deleted")
        rename_durably(new, self.folders.path("staging", plan.report))
        failpoints.reach("measurements.restore.staged")

    def _sanitized(self, plan: RestorePlan, work: Path, new: Path) -> None:
        shutil.rmtree(work, ignore_errors=True)
        collector, _, rest = plan.report.partition("/")
        batch, _, path = rest.partition("/")
        if not path:
            raise RestoreRefused(f"{plan.report!a} is not <collector>/<batch>/<file>", hint="is it of this archive?")
        raw, state = work / "raw", work / "state"
        original = raw / collector / batch / path
        self._unpack(self.archive / plan.archived, original)
        manifest = batch_manifest.hashed(raw / collector / batch)
        write_durably(raw / collector / f"{batch}.manifest", batch_manifest.encode(manifest))
        state.mkdir()
        said = self.sanitize(raw, state)
        made = [file for file in (state / "staging").rglob("*") if file.is_file()]
        if len(made) != 1:
            shutil.rmtree(work)
            raise RestoreRefused(
                f"the sanitizer made {len(made)} reports of {plan.archived!a}: {said}",
                hint="nothing was changed; `python -m include.measurements.sanitize explain` says why",
            )
        rename_durably(made[0], new)
        failpoints.reach("measurements.restore.sanitized")

    def _unpack(self, packed: Path, original: Path) -> None:
        original.parent.mkdir(parents=True)
        try:
            with gzip.open(packed, "rb") as source, original.open("wb") as file:
                while chunk := source.read(1024 * 1024):
                    file.write(chunk)
                    if file.tell() > UNPACKED_BYTES_MAX:
                        raise RestoreRefused(f"{packed.name!a} unpacks to more than {UNPACKED_BYTES_MAX} bytes")
        except (gzip.BadGzipFile, EOFError) as error:
            raise RestoreRefused(f"{packed.name!a} is damaged: {error}", hint="take it from a backup") from error
