"""
The public mirror: imported reports, gzipped, with indexes and a page to browse them.

    public/reports/<country>/<report>.gz      each report of `imported`, whole
    public/index.json, index.yaml             one row a report: what its header says, size, hash, address
    public/bridges-by-country-code.json       from the last import
    public/index.html, browse.js, browse.css  the page

Only regular files of `imported` are read, links never. A file goes in before the index that names it, and out after
the index that does not; so whoever reads an index finds every file of it. Files are named by what they hold, made the
same way each time, and not made again.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from include.common.atomic_files import fsync_folder, temporary_path, write_durably
from include.common.emit import Emit
from include.common.stage_ledger import StageLedger
from include.measurements import measurement_report
from include.measurements.errors import MeasurementReportRefused
from include.measurements.identity import country
from include.measurements.load.pipeline import BRIDGES_FILE
from include.measurements.publish.public_paths import PublicPaths
from include.measurements.state_folders import StateFolders
from spool import failpoints

LOGGER = logging.getLogger(__name__)

STAGE = "publish"
PAGE = Path(__file__).parent / "mirror_page"
INDEX_JSON, INDEX_YAML = "index.json", "index.yaml"
# The rows with the size and time of each file they were made from: what is not made again. Ours alone.
PUBLISHED = "published.json"
PUBLIC_MODE = 0o644

# Of a header, only these are in the index; where a probe was is not, beyond country and network.
HEADER_FIELDS = (
    "test_name", "test_version", "probe_asn", "start_time", "test_start_time", "software_name", "software_version",
    "data_format_version", "input_hashes", "report_id",
)  # fmt: skip

failpoints.declare(*(f"measurements.publish.{step}" for step in ("copied", "indexed", "told", "removed")))

Row = dict[str, Any]


@dataclass
class PublishSummary:
    """`unknown` files lie in public/reports, and no index names them: they are left alone and to be looked at."""

    published: int = 0
    unchanged: int = 0
    removed: int = 0
    errored: int = 0
    unknown: int = 0


def publish(folders: StateFolders, ledger: StageLedger, emit: Emit, title: str) -> PublishSummary:
    """Make public/ show exactly what `imported` holds. Every file of the index is durable when it returns."""
    with folders.alone("measurements"):
        return publish_locked(folders, ledger, emit, title)


def publish_locked(folders: StateFolders, ledger: StageLedger, emit: Emit, title: str) -> PublishSummary:
    """The same for a caller that has the folders for itself already."""
    paths = PublicPaths(folders.exports / "public_paths")
    return _Publisher(folders, ledger, emit, paths, PublishSummary()).run(title)


def public_path(report: str, header: dict[Any, Any]) -> str:
    """Where a report lies below public/."""
    return f"reports/{country(header)}/{report}.gz"


@dataclass(frozen=True)
class _Publisher:
    folders: StateFolders
    ledger: StageLedger
    emit: Emit
    paths: PublicPaths
    summary: PublishSummary

    def run(self, title: str) -> PublishSummary:
        known = {row["report_file"]: row for row in _read_rows(self.folders.exports / PUBLISHED)}
        rows = [row for report in self.folders.reports("imported") if (row := self._row(report, known.get(report)))]
        self._write_indexes(rows, title)
        failpoints.reach("measurements.publish.indexed")
        self._tell(rows)
        self._remove(rows)
        self.summary.unknown = sum(1 for _ in unknown_files(self.folders.public, rows))
        if self.summary.unknown:
            LOGGER.warning("%s files below public/reports are in no index; they are left alone", self.summary.unknown)
        LOGGER.info("publish: %s", self.summary)
        return self.summary

    def _row(self, report: str, known: Row | None) -> Row | None:
        source = self.folders.path("imported", report)
        status = source.stat()
        stamp = f"{status.st_size}-{status.st_mtime_ns}"
        if known and known["source"] == stamp and (self.folders.public / known["path"]).is_file():
            self.summary.unchanged += 1
            return known
        self.ledger.take("measurements", STAGE, [report])
        try:
            row = self._copied(report, source, stamp)
        except MeasurementReportRefused as refused:
            # It stays imported: it is in the database. The mirror goes on without it.
            LOGGER.warning("publish: %s: %s", report, refused)
            self.ledger.settle("measurements", STAGE, {report: "errored"})
            self.summary.errored += 1
            return None
        self.summary.published += 1
        return row

    def _tell(self, rows: list[Row]) -> None:
        """Events and counts of what is in the index by now, from this run or one that died after its index."""
        fresh = set(self.ledger.open_items("measurements", STAGE))
        told = [row for row in rows if row["report_file"] in fresh]
        for row in told:
            self.emit(
                "measurement_report.published",
                row["report_file"],
                {"path": row["path"], "sha256": row["sha256"]},
            )
        failpoints.reach("measurements.publish.told")
        self.ledger.settle("measurements", STAGE, {row["report_file"]: "out" for row in told})

    def _copied(self, report: str, source: Path, stamp: str) -> Row:
        header = measurement_report.header(source)
        path = public_path(report, header)
        self.paths.add(path)
        size, digest = gzip_durably(source, self.folders.public / path)
        failpoints.reach("measurements.publish.copied")
        return {
            "report_file": report,
            "path": path,
            "probe_cc": country(header),
            **{name: _plain(header[name]) for name in HEADER_FIELDS if name in header},
            "size_bytes": size,
            "sha256": digest,
            "source": stamp,
        }

    def _write_indexes(self, rows: list[Row], title: str) -> None:
        public = self.folders.public
        rows.sort(key=lambda row: str(row["path"]))
        shown = [{name: value for name, value in row.items() if name != "source"} for row in rows]
        as_json = json.dumps(shown, sort_keys=True, indent=0, allow_nan=False)
        bridges = self.folders.exports / BRIDGES_FILE
        files = {
            INDEX_YAML: yaml.dump(shown, Dumper=yaml.CSafeDumper, explicit_start=True, sort_keys=True),
            BRIDGES_FILE: bridges.read_text(encoding="utf-8") if bridges.exists() else "{}",
            **{page.name: page.read_text(encoding="utf-8") for page in sorted(PAGE.glob("browse.*"))},
            "index.html": (PAGE / "index.html").read_text(encoding="utf-8").replace("{{title}}", html.escape(title)),
            INDEX_JSON: as_json,  # last: the others may be behind it by a moment, never before
        }
        for name, content in files.items():
            write_durably(public / name, content, PUBLIC_MODE)
        write_durably(self.folders.exports / PUBLISHED, json.dumps(rows, sort_keys=True))

    def _remove(self, rows: list[Row]) -> None:
        shown = {row["path"] for row in rows}
        for path in self.paths.noted():
            if path not in shown:
                (self.folders.public / path).unlink(missing_ok=True)
                failpoints.reach("measurements.publish.removed")
                self.emit("measurement_report.unpublished", path, {})
                self.summary.removed += 1
        self.paths.keep_only(shown)


def read_index(public: Path) -> list[Row]:
    """Rows of index.json; none where it is missing."""
    return _read_rows(public / INDEX_JSON)


def _read_rows(file: Path) -> list[Row]:
    try:
        rows: list[Row] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return rows


def unknown_files(public: Path, rows: list[Row]) -> Iterator[Path]:
    """Files below public/reports that no row names."""
    named = {row["path"] for row in rows}
    for file in (public / "reports").rglob("*"):
        if not file.is_dir() and file.relative_to(public).as_posix() not in named:
            yield file


def gzip_durably(source: Path, target: Path) -> tuple[int, str]:
    """Compress `source` so that the same bytes always give the same file; its size and sha256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(target)
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as plain, temporary.open("wb") as file:
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            while chunk := plain.read(1024 * 1024):
                packed.write(chunk)
        os.fchmod(file.fileno(), PUBLIC_MODE)
        file.flush()
        os.fsync(file.fileno())
    with temporary.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = temporary.stat().st_size
    temporary.replace(target)
    fsync_folder(target.parent)
    return size, digest


def _plain(value: object) -> object:
    """What JSON and YAML write the same way."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str | int | float | bool | None):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)
