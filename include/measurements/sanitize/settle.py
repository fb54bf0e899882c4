"""Steps i to vi of pipeline.py for one report; takes up wherever an earlier process died."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from include.common.atomic_files import fsync_file, fsync_folder, rename_durably, write_durably
from include.common.emit import Emit
from include.common.stage_ledger import Outcome as LedgerOutcome
from include.common.stage_ledger import StageLedger
from include.measurements.batch_manifest import sha256_of
from include.measurements.companion_paths import companion_path
from include.measurements.sanitize import archive
from include.measurements.sanitize.batch_work import BatchWork
from include.measurements.sanitize.reader import Reader
from include.measurements.sanitize.rules import RULES_VERSION
from include.measurements.sanitize.sanitize_report import Verdict
from include.measurements.sanitize.secret_forms import Secrets
from include.measurements.state_folders import PUBLISHABLE, HeldKind, StateFolders
from spool import failpoints

LOGGER = logging.getLogger(__name__)

FEATURE = STAGE = "sanitize"
STAGED_MODE = 0o640

_KINDS: Mapping[str, HeldKind] = {"quarantined": "quarantine", "errored": "errored"}
_LEDGER: Mapping[str, LedgerOutcome] = {"sanitized": "out", "quarantined": "quarantined", "errored": "errored"}

STEPS = ("read", "archived", "noted", "replaced", "moved", "told", "settled")
failpoints.declare(*(f"sanitize.report.{step}" for step in STEPS))


class Report(NamedTuple):
    """
    What became of one report.

    file        its name in every state
    status      sanitized, quarantined, errored
    documents   written, header included; bad: not taken; reason: empty where it was sanitized
    truncated   its last document lacks the end mark
    """

    file: str
    status: str
    documents: int
    bad: int
    reason: str
    truncated: bool
    test: str


@dataclass(frozen=True)
class Settler:
    """One for a run. `secrets` so that a name which holds one is not told."""

    folders: StateFolders
    ledger: StageLedger
    emit: Emit
    secrets: Secrets
    gzip_level: int

    def settle(self, work: BatchWork, number: int, path: str, reader: Reader) -> Report | None:
        """The report, durably in its state; None where it is in none that we know, which is left open and told."""
        original, report = work.raw / path, work.report(path)
        noted = work.verdict(number)
        if noted is None or (original.exists() and sha256_of(original) != noted["sha256"]):
            if not original.exists():
                LOGGER.error("report %d of %s is neither in raw nor noted; its count stays open", number, work.batch)
                return None
            noted = self._decide(work, number, path, reader)
        if original.exists():
            self._move(original, report, noted)
        reach("moved")
        return self._tell(report, noted)

    def _decide(self, work: BatchWork, number: int, path: str, reader: Reader) -> dict[str, Any]:
        """Steps i to iv. Afterwards the bytes in raw are those that the note's sha256 tells."""
        original, report, out = work.raw / path, work.report(path), work.folder / work.out_name(number)
        verdict = reader.sanitize(path, out.name, report)
        reach("read")
        if sha256_of(original) != work.manifest[path]:
            verdict = Verdict(outcome="quarantined", reason="changed")
        elif verdict.outcome == "sanitized" and self._is_taken(report):
            verdict = Verdict(outcome="errored", reason="collision")
        noted = verdict.as_dict() | {"sha256": sha256_of(original)}
        if verdict.outcome == "sanitized":
            noted["sha256"] = sha256_of(out)
            kept = archive.keep_original(original, self._archived(report), work.manifest[path], self.gzip_level)
            self.folders.originals.note(kept, report, work.manifest[path])
            noted["archived"] = kept.relative_to(self.folders.root).as_posix()
        reach("archived")
        self._note_bad(report, verdict)
        work.write_verdict(number, noted)
        reach("noted")
        if verdict.outcome == "sanitized":
            out.chmod(STAGED_MODE)
            fsync_file(out)
            out.replace(original)
            fsync_folder(original.parent)
        reach("replaced")
        return noted

    def _move(self, original: Path, report: str, noted: Mapping[str, Any]) -> None:
        if noted["outcome"] == "sanitized":
            rename_durably(original, self.folders.path("staging", report))
            return
        names = ("reason", "test", "documents", "bad", "truncated", "bad_documents", "held_at")
        reason = {name: noted[name] for name in names} | {"from": "raw", "stage": STAGE, "rules": RULES_VERSION}
        message = f"sanitize: {noted['reason']}; `python -m include.measurements.sanitize explain` tells more"
        self.folders.hold(original, _KINDS[noted["outcome"]], report, reason | {"message": message})

    def _tell(self, report: str, noted: Mapping[str, Any]) -> Report:
        status, reason = noted["outcome"], noted["reason"]
        told = Report(
            self.secrets.redact(report), status, noted["documents"], noted["bad"], reason, noted["truncated"],
            noted["test"],
        )  # fmt: skip
        payload = told._asdict() | {"stage": STAGE, "rules": RULES_VERSION, "touched": sum(noted["touched"].values())}
        del payload["file"]
        self.emit(f"measurement_report.{status}", told.file, payload)
        reach("told")
        self.ledger.settle(FEATURE, STAGE, {report: _LEDGER[status]})
        reach("settled")
        return told

    def _archived(self, report: str) -> Path:
        return self.folders.originals.place(report)

    def _is_taken(self, report: str) -> bool:
        return any(self.folders.path(state, report).exists() for state in PUBLISHABLE)

    def _note_bad(self, report: str, verdict: Verdict) -> None:
        """`bad_documents/<report>.json`: where in the archived original each of them is."""
        if verdict.bad:
            listed = {"bad": verdict.bad, "documents": verdict.as_dict()["bad_documents"]}
            place = companion_path(self.folders.root / "bad_documents", report, ".json")
            write_durably(place, json.dumps(listed), mode=0o600)


def reach(step: str) -> None:
    failpoints.reach(f"sanitize.report.{step}")
