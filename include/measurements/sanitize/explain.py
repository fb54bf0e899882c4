"""
Which rule touched which field of which document, and why a document or a report was held: without moving anything.

Sanitizes a copy, in the sandbox, into a folder that is removed afterwards. Shows paths of fields and names of rules,
never what was in them.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.measurements.sanitize import config
from include.measurements.sanitize.archive import SUFFIX
from include.measurements.sanitize.config import SanitizeSettings
from include.measurements.sanitize.errors import NoSuchMeasurementReport
from include.measurements.sanitize.reader import Reader, Touched
from include.measurements.sanitize.verdict import Verdict
from include.measurements.state_folders import HELD_KINDS, StateFolders

_NAME = "report"


@dataclass(frozen=True)
class Explanation:
    file: str
    verdict: Verdict
    touched: tuple[Touched, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"file": self.file, **self.verdict.encode(), "fields": [touch._asdict() for touch in self.touched]}

    def lines(self) -> list[str]:
        """For people."""
        verdict = self.verdict
        head = f"{self.file}: {verdict.outcome}{verdict.reason and ', ' + verdict.reason}"
        counts = f"test {verdict.test or 'unknown'}; {verdict.documents} documents, {verdict.bad} bad"
        bad = [
            f"document {bad.document}: bytes {bad.offset} to {bad.offset + bad.size}: {bad.error}"
            for bad in verdict.bad_documents
        ]
        fields = [f"document {touch.document}: {touch.path}: {touch.rule}" for touch in self.touched]
        held = [f"held for {verdict.held_at}"] if verdict.held_at else []
        truncated = ["truncated: the last document lacks its end mark"] if verdict.truncated else []
        return [head, counts, *held, *truncated, *bad, *fields]


def explain(file: str, folders: StateFolders | None, bridges: Path, settings: SanitizeSettings) -> Explanation:
    """
    `file` is a path, or the name of a report: then its original is taken from the archive, or from where it is held.

    NoSuchMeasurementReport; BridgeMapRefused.
    """
    config.load_bridges(bridges, settings.bridge_map_days_max)
    place = _find(file, folders)
    touched: list[Touched] = []
    with tempfile.TemporaryDirectory(prefix="explain-") as name:
        shown, work = Path(name, "in"), Path(name, "out")
        shown.mkdir()
        work.mkdir()
        _copy(place, shown / _NAME)
        with Reader(shown, work, bridges, settings) as reader:
            verdict = reader.sanitize(_NAME, "out", _NAME, touched)
    return Explanation(file, verdict, tuple(touched))


def _find(file: str, folders: StateFolders | None) -> Path:
    places = [Path(file)]
    if folders is not None and not Path(file).is_absolute() and ".." not in Path(file).parts:
        places += [*folders.originals.copies(file), folders.path("archive", file), folders.path("raw", file)]
        places += [place for kind in HELD_KINDS for place in sorted((folders.root / kind).glob(f"*/{file}"))]
    for place in places:
        if place.is_file():
            return place
    raise NoSuchMeasurementReport(f"no file and no report {file!a}", hint="give a path, or <collector>/<batch>/<path>")


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as file, target.open("wb") as copy:
        original = gzip.GzipFile(fileobj=file) if source.suffix == SUFFIX else file
        shutil.copyfileobj(original, copy, 1024 * 1024)
