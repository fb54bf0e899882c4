"""
Steps i to vi of pipeline.py for one measurement report; takes up wherever an earlier process died.

Whatever goes wrong with one report is a verdict on it. What is wrong with the machine is MachineFault: the run ends,
and the report stays where it is.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from include.common.atomic_files import fsync_file, fsync_folder, rename_durably
from include.common.emit import Emit
from include.common.event_type import FeatureEvent
from include.counts.ledger import StageLedger
from include.counts.stage_count import Outcome as CountedOutcome
from include.measurements.batch_manifest import sha256_of
from include.measurements.companion_paths import companion_path
from include.measurements.events import (
    MeasurementReportErrored,
    MeasurementReportQuarantined,
    MeasurementReportSanitized,
)
from include.measurements.machine_faults import is_machine_fault
from include.measurements.sanitize import archive
from include.measurements.sanitize.batch_work import BatchWork, NotedVerdict
from include.measurements.sanitize.errors import ArchiveDiffers, MachineFault
from include.measurements.sanitize.reader import ChildRefused, Reader
from include.measurements.sanitize.rules import RULES_VERSION
from include.measurements.sanitize.secret_forms import REDACTED, Secrets
from include.measurements.sanitize.verdict import Outcome, Verdict
from include.measurements.state_folders import PUBLISHABLE, HeldKind, StateFolders
from spool import failpoints
from spool.durable_file import write_durably
from spool.errors import SpoolError

LOGGER = logging.getLogger(__name__)

FEATURE = "sanitize"
STAGE = FEATURE
STAGED_MODE = 0o640

_KINDS: Mapping[str, HeldKind] = {"quarantined": "quarantine", "errored": "errored"}
_EVENTS: Mapping[str, Callable[..., FeatureEvent]] = {
    "sanitized": MeasurementReportSanitized,
    "quarantined": MeasurementReportQuarantined,
    "errored": MeasurementReportErrored,
}
_LEDGER: Mapping[str, CountedOutcome] = {"sanitized": "out", "quarantined": "quarantined", "errored": "errored"}

STEPS = ("read", "archived", "noted", "replaced", "moved", "emitted", "settled")
failpoints.declare(*(f"sanitize.report.{step}" for step in STEPS))


class Report(NamedTuple):
    """
    What became of one measurement report.

    file        its name in every state, without what is secret in it
    status      sanitized, quarantined, errored
    documents   written, header included; bad: not taken; reason: empty where it was sanitized
    truncated   its last document lacks the end mark
    """

    file: str
    status: Outcome
    documents: int
    bad: int
    reason: str
    truncated: bool
    test: str


@dataclass(frozen=True)
class Settler:
    """One per run. `secrets` are those of the bridge map, so that no name which holds one is emitted."""

    folders: StateFolders
    ledger: StageLedger
    emit: Emit
    secrets: Secrets
    gzip_level: int

    def settle(self, work: BatchWork, number: int, path: str, reader: Reader) -> Report | None:
        """
        The report, durably in its state; None where it is in none that we know: it is logged, and its count stays open.

        MachineFault, BridgeMapRefused, SandboxUnavailable: it is where it was, and no verdict was carried out.
        """
        original, report = work.raw / path, work.report(path)
        noted = work.verdict(number)
        if noted is None or (original.exists() and sha256_of(original) != noted.sha256):
            if not original.exists():
                batch = self.shown(str(work.batch))
                LOGGER.error(
                    "measurement report %d of %s is neither in raw nor noted; its count stays open", number, batch
                )
                return None
            noted = self._decide(work, number, path, reader)
        if original.exists():
            self._move(original, report, noted.verdict)
        reach("moved")
        return self._emitted(report, noted.verdict)

    def shown(self, name: str) -> str:
        """The name without the secrets of the bridge map."""
        return self.secrets.redact(name)

    def _decide(self, work: BatchWork, number: int, path: str, reader: Reader) -> NotedVerdict:
        """Steps i to iv. Afterwards the bytes in raw have the sha256 of the note."""
        original, report, out = work.raw / path, work.report(path), work.folder / work.out_name(number)
        verdict = self._verdict(work, number, path, reader)
        if verdict.outcome == "sanitized":
            verdict = self._archived(work, path, verdict)
        reach("archived")
        self._note_bad(report, verdict)
        noted = NotedVerdict(verdict, sha256_of(out if verdict.outcome == "sanitized" else original))
        work.write_verdict(number, noted)
        reach("noted")
        if verdict.outcome == "sanitized":
            out.chmod(STAGED_MODE)
            fsync_file(out)
            out.replace(original)
            fsync_folder(original.parent)
        reach("replaced")
        return noted

    def _verdict(self, work: BatchWork, number: int, path: str, reader: Reader) -> Verdict:
        """Step i, whatever goes wrong with this one."""
        original, report = work.raw / path, work.report(path)
        try:
            verdict = reader.sanitize(path, work.out_name(number), report)
            reach("read")
            if sha256_of(original) != work.manifest[path]:
                return Verdict("quarantined", "changed", secret_name=verdict.secret_name)
        except ChildRefused as refused:
            LOGGER.error("measurement report %d of %s: %s", number, self.shown(str(work.batch)), refused)  # noqa: TRY400
            return Verdict("quarantined", "hostile", secret_name=True)
        except SpoolError:
            raise
        # The boundary of one report: the place and the kind of the error are logged, its text may hold names.
        except Exception as error:  # noqa: BLE001
            if is_machine_fault(error):
                raise MachineFault.of(error) from None
            place = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            LOGGER.error("measurement report %d of %s: %s", number, self.shown(str(work.batch)), what)  # noqa: TRY400
            return Verdict("errored", "unreadable" if isinstance(error, OSError) else "unexpected", secret_name=True)
        if verdict.outcome == "sanitized" and self._is_taken(report):
            return Verdict("errored", "collision", verdict.test)
        return verdict

    def _archived(self, work: BatchWork, path: str, verdict: Verdict) -> Verdict:
        """Step ii: the verdict itself once the original is in the archive."""
        report, sha256 = work.report(path), work.manifest[path]
        try:
            target = self.folders.originals.place(report)
            kept = archive.keep_original(work.raw / path, target, sha256, self.gzip_level)
        except ArchiveDiffers as differs:
            LOGGER.error("a measurement report of %s: %s", self.shown(str(work.batch)), differs)  # noqa: TRY400
            return Verdict("errored", "archive", verdict.test)
        self.folders.originals.note(kept, report, sha256)
        return verdict

    def _move(self, original: Path, report: str, verdict: Verdict) -> None:
        if verdict.outcome == "sanitized":
            rename_durably(original, self.folders.path("staging", report))
            return
        names = ("reason", "test", "documents", "bad", "truncated", "bad_documents", "held_at")
        reason = {name: value for name, value in verdict.encode().items() if name in names}
        message = f"sanitize: {verdict.reason}; `python -m include.measurements.sanitize explain` reports more"
        reason |= {"from": "raw", "stage": STAGE, "rules": RULES_VERSION, "message": message}
        self.folders.hold(original, _KINDS[verdict.outcome], report, reason | {"shown": self._shown(report, verdict)})

    def _emitted(self, report: str, verdict: Verdict) -> Report:
        report_row = Report(
            self._shown(report, verdict), verdict.outcome, verdict.documents, verdict.bad, verdict.reason,
            verdict.truncated, verdict.test,
        )  # fmt: skip
        named = {name: value for name, value in report_row._asdict().items() if name != "file"}
        touched = sum(verdict.touched.values())
        event = _EVENTS[verdict.outcome](report_row.file, **named, stage=STAGE, rules=RULES_VERSION, touched=touched)
        self.emit(event)
        reach("emitted")
        self.ledger.settle(FEATURE, STAGE, {report: _LEDGER[verdict.outcome]})
        reach("settled")
        return report_row

    def _shown(self, report: str, verdict: Verdict) -> str:
        """What was learned from the report itself is secret in its name too, in whatever part of it."""
        redacted = self.shown(report)
        if not verdict.secret_name or redacted != report:
            return redacted
        return f"{report.partition('/')[0]}/{REDACTED}"

    def _is_taken(self, report: str) -> bool:
        return any(self.folders.path(state, report).exists() for state in PUBLISHABLE)

    def _note_bad(self, report: str, verdict: Verdict) -> None:
        """`bad_documents/<report>.json`: where in the archived original each of them is."""
        if verdict.bad:
            listed = {"bad": verdict.bad, "documents": verdict.encode()["bad_documents"]}
            place = companion_path(self.folders.root / "bad_documents", report, ".json")
            write_durably(place, json.dumps(listed), mode=0o600)


def reach(step: str) -> None:
    failpoints.reach(f"sanitize.report.{step}")
