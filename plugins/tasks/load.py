"""The tasks of `measurements_import`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plugins.conf import known_only
from plugins.connections import count_books, measurement_state, mongo
from plugins.connections.host_folders import state_folder

if TYPE_CHECKING:
    from include.measurements.load.stage import Limit
    from include.measurements.state_folders import StateFolders

SOURCE = "spillway/measurements"


def postprocess(params: Mapping[str, Any]) -> dict[str, Any]:
    """Every report of staging to reports."""
    from include.measurements.load import pipeline

    limit = _limit(params)
    with count_books.ledger() as ledger:
        summary = pipeline.postprocess(_folders(), ledger, measurement_state.events(SOURCE), limit)
    return dataclasses.asdict(summary)


def import_reports(params: Mapping[str, Any]) -> dict[str, Any]:
    """Every report of reports into MongoDB, then to imported."""
    from include.measurements.load import pipeline
    from include.measurements.load.mongo_store import MeasurementStore

    limit = _limit(params)
    store = MeasurementStore(mongo.database(mongo.MONGO_IMPORT))
    with count_books.ledger() as ledger, count_books.numbers() as numbers:
        emit = measurement_state.events(SOURCE)
        summary = pipeline.import_reports(_folders(), ledger, numbers, emit, limit, store)
    return dataclasses.asdict(summary)


def export_bridges() -> dict[str, int]:
    """Write the table of blocked bridges from what MongoDB holds."""
    from include.measurements import config
    from include.measurements.load import pipeline

    return pipeline.export_bridges(_folders(), config.load(), mongo.database(mongo.MONGO_READ))


def _folders() -> StateFolders:
    from include.measurements.state_folders import StateFolders

    return StateFolders(state_folder())


def _limit(params: Mapping[str, Any]) -> Limit:
    from include.measurements.load.stage import Limit

    conf = known_only(params, "max_reports", "seconds")
    return Limit(reports=conf["max_reports"], deadline_s=conf["seconds"])
