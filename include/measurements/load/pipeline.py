"""
From a sanitized report to the database.

    staging ── postprocess: make the documents of the import (prepared_file.py) ──> reports
    reports ── import: write them to MongoDB (mongo_store.py) ──> imported
    after an import: the table of blocked bridges is rebuilt (bridges.py)

Publishing (publish.py) copies from `imported`. stage.py has the order of effects of one report.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pymongo.database import Database

from include.common.emit import Emit
from include.counts.batch_numbers import Numbers, StageNumbers
from include.counts.ledger import StageLedger
from include.measurements.archived_originals import is_file
from include.measurements.config import MeasurementSettings
from include.measurements.errors import MeasurementReportRefused
from include.measurements.events import MeasurementReportImported, MeasurementReportPostprocessed
from include.measurements.load import bridges, prepared_file, stage
from include.measurements.load.mongo_reader import CONNECTION, REACHABILITY, observations
from include.measurements.load.mongo_store import Document, MeasurementStore
from include.measurements.load.stage import Limit, StageSummary
from include.measurements.state_folders import StateFolders
from include.measurements.verdicts import verdict_on
from spool.durable_file import GROUP_READS, write_durably

POSTPROCESS = stage.Step(
    "postprocess", "staging", "reports", ("imported",), partial(MeasurementReportPostprocessed, recovered=True)
)
IMPORT = stage.Step("import", "reports", "imported", (), partial(MeasurementReportImported, recovered=True))

# Counted by number: the documents of a report, whose batch is the report itself.
DOCUMENTS_STAGE = "import documents"

BRIDGES_FILE = "bridges-by-country-code.json"


def postprocess(folders: StateFolders, ledger: StageLedger, emit: Emit, limit: Limit) -> StageSummary:
    """Every report of `staging` is in `reports` or errored/ when it returns, but for the limit."""

    def act(report: str) -> MeasurementReportPostprocessed:
        prepared = prepared_file.make(folders.path("staging", report), folders.prepared_path(report))
        test_name = str(prepared.header["test_name"])
        return MeasurementReportPostprocessed(report, documents=prepared.entry_count, test_name=test_name)

    with folders.alone("measurements"):
        return stage.run(POSTPROCESS, act, folders, ledger, emit, limit)


def import_reports(
    folders: StateFolders,
    ledger: StageLedger,
    numbers: StageNumbers,
    emit: Emit,
    limit: Limit,
    store: MeasurementStore,
) -> StageSummary:
    """
    Every report of `reports` is in the database and in `imported` when it returns, but for the limit.

    Reports are counted by name in the ledger, their documents by number.
    """

    def act(report: str) -> MeasurementReportImported:
        with prepared_file.opened(folders.path("reports", report), folders.prepared_path(report)) as prepared:
            count = prepared.about.entry_count
            try:
                with verdict_on(report):
                    _refuse_duplicate(report, store.same_reports(prepared.about), folders)
                    written = store.put(prepared.about, prepared.entries(), report)
            except MeasurementReportRefused:
                numbers.note(stage.FEATURE, DOCUMENTS_STAGE, report, Numbers(count, errored=count))
                raise
        in_database = written.inserted + written.replaced
        numbers.note(stage.FEATURE, DOCUMENTS_STAGE, report, Numbers(count, count_out=in_database))
        return MeasurementReportImported(report, **written._asdict())

    with folders.alone("measurements"):
        store.create_indexes()
        summary = stage.run(IMPORT, act, folders, ledger, emit, limit)
        _remove_prepared(folders)
    return summary


def _refuse_duplicate(report: str, same: list[str], folders: StateFolders) -> None:
    # A file that has left all states leaves its place: it was restored, or taken away.
    others = [file for file in same if file != report and is_file(folders.path("imported", file))]
    if others:
        raise MeasurementReportRefused("duplicate", f"the same measurement report was imported from {others[0]}")


def export_bridges(
    folders: StateFolders,
    settings: MeasurementSettings,
    database: Database[Document],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dict[str, int]:
    """Write exports/bridges-by-country-code.json; how many results it holds of each status."""
    since = now() - timedelta(days=settings.bridge_days)
    table = bridges.by_country(
        observations(database, REACHABILITY, since),
        observations(database, CONNECTION, since),
        control_country=settings.control_country,
        window=settings.control_window,
    )
    write_durably(folders.exports / BRIDGES_FILE, json.dumps(table, sort_keys=True, allow_nan=False), mode=GROUP_READS)
    counts: dict[str, int] = {}
    for results in _results(table):
        counts[results["status"]] = counts.get(results["status"], 0) + 1
    return counts


def _results(table: dict[str, dict[str, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    return [result for of_country in table.values() for of_bridge in of_country.values() for result in of_bridge]


def _remove_prepared(folders: StateFolders) -> None:
    """What was prepared for reports that are imported, or errored, by now."""
    wanted = {folders.prepared_path(report) for report in (*folders.reports("staging"), *folders.reports("reports"))}
    for path in folders.prepared.rglob("*.bson"):
        if path not in wanted:
            path.unlink()
