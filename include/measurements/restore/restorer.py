"""
Sanitize archived originals again, and let the results replace what they had produced.

    1. unpack the originals into restoring/sanitizing/raw, each as a report of its batch, with manifests
    2. sanitize them there, in one run; each result goes to restoring/<id>/new
    3. take the old reports out of their states, into restoring/<id>/old
    4. take them out of the mirror, then out of the database
    5. put the new ones where they belong: a sanitized one into staging, from where it continues like any other; one
       that today's rules hold into quarantine/<reason> or errored/<reason>: it is taken back
    6. emit the events, remove restoring/<id>

Nothing of an earlier try is used: a restore is the remedy for what should not be public, so it takes the rules and
the bridge map of now, each time. The archive is only read, so nothing can get lost. Where a process died,
restoring/<id>/archived says of which original, and restoring it again finishes it.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from include.common.atomic_files import fsync_file, fsync_folder, rename_durably
from include.common.emit import Emit
from include.measurements.archived_originals import ArchivedOriginals, unpacked_sha256
from include.measurements.batch_manifest import sha256_of
from include.measurements.errors import RestoreRefused
from include.measurements.events import MeasurementReportRestored
from include.measurements.publish.mirror import read_index
from include.measurements.restore.originals import RestorableOriginals
from include.measurements.restore.sanitized_again import Held, Sanitize, SanitizedAgain, sanitized_again
from include.measurements.restore.store_port import ReportStore
from include.measurements.state_folders import PUBLISHABLE, StateFolders
from spool import failpoints
from spool.durable_file import write_durably

LOGGER = logging.getLogger(__name__)

failpoints.declare(
    *(f"measurements.restore.{n}" for n in ("sanitized", "taken_out", "unpublished", "deleted", "staged"))
)


@dataclass(frozen=True)
class RestorePlan:
    """
    What a restore replaces.

    state       the state folder of the measurement report, such as `imported` or `errored/too_deep`; empty where it
                is in none
    report_ids  in the database
    public      paths in the mirror
    """

    report: str
    archived: str
    state: str
    report_ids: tuple[str, ...]
    public: tuple[str, ...]


@dataclass(frozen=True)
class Restored:
    """Plans that were carried out, by outcome (`sanitized`, `quarantined`, `errored`), and what could not be."""

    outcomes: Mapping[str, str]
    refused: Mapping[str, RestoreRefused]


@dataclass(frozen=True)
class Restorer:
    """`unpublish` makes the mirror show what `imported` holds by then."""

    folders: StateFolders
    archive: Path
    store: ReportStore
    sanitize: Sanitize
    unpublish: Callable[[], object]
    emit: Emit

    @property
    def originals(self) -> RestorableOriginals:
        return RestorableOriginals(ArchivedOriginals(self.archive, self.archive.parent / "archived"), self.folders)

    def plan(self, archived: str) -> RestorePlan:
        """What would be replaced; RestoreRefused where there is no such archived report."""
        report = self.originals.report_of(archived)
        public = tuple(row["path"] for row in read_index(self.folders.public) if row["report_file"] == report)
        place = next(self._replaced_places(report, archived), None)
        state = "" if place is None else place.relative_to(self.folders.root).as_posix().removesuffix(f"/{report}")
        return RestorePlan(report, archived, state, tuple(self.store.report_ids(report)), public)

    def restore(self, archived: str) -> RestorePlan:
        """Do it; the new report is in `staging`, or held, when it returns. RestoreRefused: nothing was changed."""
        with self.folders.alone("measurements"):
            plan = self.plan(archived)
            self._replace(self._sanitized_again([plan]))
        return plan

    def restore_some(self, archived: Sequence[str]) -> Restored:
        """The same for several at once, with one look at the mirror; one that is refused does not stop the others."""
        refused: dict[str, RestoreRefused] = {}
        with self.folders.alone("measurements"):
            plans = []
            for path in archived:
                try:
                    plans.append(self.plan(path))
                except RestoreRefused as error:
                    refused[path] = error
            fresh = self._sanitized_each(plans, refused)
            self._replace(fresh)
        return Restored({again.report: again.outcome for _, again in fresh}, refused)

    def unfinished(self) -> list[str]:
        """Archived originals whose restore died half-way, sorted: their reports may be in no state."""
        notes = self.folders.restoring.glob("*/archived")
        return sorted(note.read_text(encoding="utf-8") for note in notes)

    def _sanitized_each(
        self, plans: list[RestorePlan], refused: dict[str, RestoreRefused]
    ) -> list[tuple[RestorePlan, SanitizedAgain]]:
        try:
            return self._sanitized_again(plans) if plans else []
        except RestoreRefused:
            # One of them, or all: each alone says which.
            fresh = []
            for plan in plans:
                try:
                    fresh += self._sanitized_again([plan])
                except RestoreRefused as error:
                    refused[plan.archived] = error
            return fresh

    def _sanitized_again(self, plans: list[RestorePlan]) -> list[tuple[RestorePlan, SanitizedAgain]]:
        """Steps 1 and 2."""
        work = self.folders.restoring / "sanitizing"
        shutil.rmtree(work, ignore_errors=True)
        originals = {plan.report: self.archive / plan.archived for plan in plans}
        try:
            results = sanitized_again(originals, work, self.sanitize)
            for plan in plans:
                self._keep(plan, results[plan.report])
        finally:
            shutil.rmtree(work, ignore_errors=True)
        failpoints.reach("measurements.restore.sanitized")
        return [(plan, results[plan.report]) for plan in plans]

    def _keep(self, plan: RestorePlan, again: SanitizedAgain) -> None:
        new = self._work(plan) / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        fsync_file(again.file)
        again.file.rename(new / "report")
        write_durably(self._work(plan) / "archived", plan.archived, mode=0o600)

    def _replace(self, fresh: list[tuple[RestorePlan, SanitizedAgain]]) -> None:
        """Steps 3 to 6."""
        if not fresh:
            return
        for plan, _ in fresh:
            self._take_out(plan)
        failpoints.reach("measurements.restore.taken_out")
        self.unpublish()
        failpoints.reach("measurements.restore.unpublished")
        for plan, _ in fresh:
            for identity in plan.report_ids:
                self.store.delete(identity)
        failpoints.reach("measurements.restore.deleted")
        for plan, again in fresh:
            self._put(plan, again.held)
            failpoints.reach("measurements.restore.staged")
            self._emit(plan, again)
            shutil.rmtree(self._work(plan), ignore_errors=True)
            LOGGER.info("restored %s as %s", plan, again.outcome)

    def _take_out(self, plan: RestorePlan) -> None:
        for number, place in enumerate(list(self._replaced_places(plan.report, plan.archived))):
            old = self._work(plan) / f"old{number}"
            old.unlink(missing_ok=True)
            rename_durably(place, old)
            self.folders.reasons.remove(place)

    def _put(self, plan: RestorePlan, held: Held | None) -> None:
        new = self._work(plan) / "new" / "report"
        if held is None:
            rename_durably(new, self.folders.path("staging", plan.report))
        else:
            self.folders.hold(new, held.kind, plan.report, held.reason)
        fsync_folder(new.parent)

    def _emit(self, plan: RestorePlan, again: SanitizedAgain) -> None:
        ids = list(plan.report_ids)
        self.emit(MeasurementReportRestored(plan.report, replaced_in=plan.state, report_ids=ids, outcome=again.outcome))

    def _replaced_places(self, report: str, archived: str) -> Iterator[Path]:
        """
        Where the report is that this original replaces.

        A held one counts where it was made from the original, or is the original itself. Another original that waits
        for a person under the same path (a collision) stays: it may be the only copy.
        """
        for state in PUBLISHABLE:
            if (place := self.folders.path(state, report)).exists():
                yield place
        for place in self.folders.held_as(report):
            made_from_it = self.folders.reasons.read(place).get("from") in PUBLISHABLE
            if made_from_it or sha256_of(place) == unpacked_sha256(self.archive / archived):
                yield place

    def _work(self, plan: RestorePlan) -> Path:
        return self.folders.restoring / hashlib.sha256(plan.archived.encode()).hexdigest()[:16]
