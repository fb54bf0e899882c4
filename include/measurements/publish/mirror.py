"""
The public mirror: imported reports, gzipped, with indexes and a page to browse them.

    public/reports/<country>/<report>.gz      each report of `imported`, whole
    public/index.json, index.yaml             one row per report: what its header says, size, hash, address
    public/bridges-by-country-code.json       from the last import
    public/index.html, browse.js, browse.css  the page

Only regular files of `imported` are read, links never. Files are added before,
and removed after, the index that lists them; so a reader of an index finds every file in it. A file's name is the hash
of its contents; the same contents give the same file, which is not written again.
"""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from include.common.emit import Emit
from include.counts.ledger import StageLedger
from include.measurements import measurement_report
from include.measurements.errors import MeasurementReportRefused, MeasurementReportsStuck
from include.measurements.events import (
    MeasurementReportErrored,
    MeasurementReportPublished,
    MeasurementReportUnpublished,
)
from include.measurements.identity import country
from include.measurements.load.pipeline import BRIDGES_FILE
from include.measurements.publish import index_values
from include.measurements.publish.gzip_copy import PUBLIC_MODE, gzip_durably, remove_file
from include.measurements.publish.public_paths import PublicPaths, public_path
from include.measurements.state_folders import StateFolders
from include.measurements.verdicts import verdict_on
from spool import failpoints
from spool.durable_file import GROUP_READS, write_durably

LOGGER = logging.getLogger(__name__)

STAGE = "publish"
PAGE = Path(__file__).parent / "mirror_page"
INDEX_JSON, INDEX_YAML = "index.json", "index.yaml"
# The rows with the size and time of each file they were made from: what is not made again. Ours alone.
PUBLISHED = "published.json"

# Of a header, only these are in the index; where a probe was is not, beyond country and network.
HEADER_FIELDS = (
    "test_name", "test_version", "probe_asn", "start_time", "test_start_time", "software_name", "software_version",
    "data_format_version", "input_hashes", "report_id",
)  # fmt: skip

failpoints.declare(*(f"measurements.publish.{step}" for step in ("copied", "indexed", "emitted", "removed")))

Row = dict[str, Any]


@dataclass
class PublishSummary:
    """`unknown` files are in public/reports, and no index names them: they are kept for inspection."""

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


@dataclass(frozen=True)
class _Publisher:
    folders: StateFolders
    ledger: StageLedger
    emit: Emit
    paths: PublicPaths
    summary: PublishSummary

    def run(self, title: str) -> PublishSummary:
        known = {row["report_file"]: row for row in _read_rows(self.folders.exports / PUBLISHED)}
        outcomes = [self._row(report, known.get(report)) for report in self.folders.reports("imported")]
        rows = [row for row in outcomes if "path" in row]
        refused = [row for row in outcomes if "path" not in row]
        self._write_indexes(rows, title)
        write_durably(self.folders.exports / PUBLISHED, json.dumps([*rows, *refused], sort_keys=True), mode=GROUP_READS)
        failpoints.reach("measurements.publish.indexed")
        self._emit_published(rows)
        self._remove(rows)
        self.summary.unknown = sum(1 for _ in unknown_files(self.folders.public, rows))
        if self.summary.unknown:
            LOGGER.warning("%s files below public/reports are in no index; they are left alone", self.summary.unknown)
        LOGGER.info("publish: %s", self.summary)
        return self.summary

    def _row(self, report: str, known: Row | None) -> Row:
        """Its row of the index; without `path` where it cannot be published, and is not tried until it changes."""
        source = self.folders.path("imported", report)
        status = source.stat()
        stamp = f"{status.st_size}-{status.st_mtime_ns}"
        if known and known["source"] == stamp and self._is_current(known):
            self.summary.unchanged += 1
            return known
        self.ledger.take("measurements", STAGE, [report])
        try:
            with verdict_on(report):
                row = self._copied(report, source, stamp)
        except MeasurementReportRefused as refused:
            # It stays imported: it is in the database. The mirror is published without it.
            LOGGER.warning("publish: %s: %s", report, refused)
            self.emit(MeasurementReportErrored(report, stage=STAGE, reason=refused.reason))
            self.ledger.settle("measurements", STAGE, {report: "errored"})
            self.summary.errored += 1
            return {"report_file": report, "source": stamp, "refused": refused.reason}
        self.summary.published += 1
        return row

    def _is_current(self, known: Row) -> bool:
        return "refused" in known or (self.folders.public / known["path"]).is_file()

    def _emit_published(self, rows: list[Row]) -> None:
        """Events and counts of what is in the index by now, from this run or one that died after its index."""
        fresh = set(self.ledger.open_items("measurements", STAGE))
        published = [row for row in rows if row["report_file"] in fresh]
        for row in published:
            self.emit(MeasurementReportPublished(row["report_file"], path=row["path"], sha256=row["sha256"]))
        failpoints.reach("measurements.publish.emitted")
        self.ledger.settle("measurements", STAGE, {row["report_file"]: "out" for row in published})

    def _copied(self, report: str, source: Path, stamp: str) -> Row:
        header = measurement_report.header(source)
        path = public_path(self.folders.public, report, country(header))
        self.paths.add(path)
        size, digest = gzip_durably(source, self.folders.public / path)
        failpoints.reach("measurements.publish.copied")
        return {
            "report_file": report,
            "path": path,
            "probe_cc": country(header),
            **{name: index_values.plain(header[name]) for name in HEADER_FIELDS if name in header},
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
            write_durably(public / name, content, mode=PUBLIC_MODE)

    def _remove(self, rows: list[Row]) -> None:
        shown = {row["path"] for row in rows}
        stuck: dict[str, OSError] = {}
        for path in self.paths.noted():
            if path in shown:
                continue
            try:
                remove_file(self.folders.public / path)
            except OSError as error:
                stuck[path] = error
                continue
            failpoints.reach("measurements.publish.removed")
            self.emit(MeasurementReportUnpublished(path))
            self.summary.removed += 1
        self.paths.keep_only(shown | stuck.keys())
        if stuck:
            # In no index any more, but still there: a person who retracts a report has to know.
            first, cause = next(iter(stuck.items()))
            raise MeasurementReportsStuck(
                f"{len(stuck)} files of the mirror cannot be removed, such as {first}: {cause.strerror}",
                hint="look at their modes below public/; the next run tries again",
            ) from cause


def read_index(public: Path) -> list[Row]:
    """Rows of index.json; none where it is missing or damaged: it is made again."""
    return _read_rows(public / INDEX_JSON)


def _read_rows(file: Path) -> list[Row]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def unknown_files(public: Path, rows: list[Row]) -> Iterator[Path]:
    """Files below public/reports that no row names."""
    named = {row["path"] for row in rows}
    for file in (public / "reports").rglob("*"):
        if not file.is_dir() and file.relative_to(public).as_posix() not in named:
            yield file
