"""
What the tasks of the measurements do: each function is one task, returns ids and counts, and may be run again.

    connection mongo_import   MongoDB with the right to write; only import and restore see it
    connection mongo_read     MongoDB, read only
    variable SPILLWAY_BRIDGES the bridge map, for restore: the sanitizer reads it
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugins import state_wiring, wiring
from plugins.spool_runs import known_only

if TYPE_CHECKING:
    from include.measurements.folders import Folders
    from include.measurements.load.stage import Limit

LOGGER = logging.getLogger(__name__)

MONGO_IMPORT, MONGO_READ = "mongo_import", "mongo_read"
DATABASE = "measurements"
SOURCE = "spillway/measurements"


def postprocess(params: Mapping[str, Any]) -> dict[str, Any]:
    """Every report of staging to reports."""
    from include.measurements.load import pipeline

    with state_wiring.ledger() as ledger:
        summary = pipeline.postprocess(_folders(), ledger, state_wiring.events(SOURCE), _limit(params))
    return dataclasses.asdict(summary)


def import_reports(params: Mapping[str, Any]) -> dict[str, Any]:
    """Every report of reports into MongoDB, then to imported."""
    from include.measurements.load import pipeline
    from include.measurements.load.mongo_store import MeasurementStore

    store = MeasurementStore(database(MONGO_IMPORT))
    with state_wiring.ledger() as ledger:
        summary = pipeline.import_reports(_folders(), ledger, state_wiring.events(SOURCE), _limit(params), store)
    return dataclasses.asdict(summary)


def export_bridges() -> dict[str, int]:
    """The table of blocked bridges, anew."""
    from include.measurements import config
    from include.measurements.load import pipeline

    return pipeline.export_bridges(_folders(), config.load(), database(MONGO_READ))


def publish() -> dict[str, int]:
    """Make the mirror show what imported holds."""
    from include.measurements import config
    from include.measurements.publish import mirror

    with state_wiring.ledger() as ledger:
        summary = mirror.publish(_folders(), ledger, state_wiring.events(SOURCE), config.load().mirror_title)
    return dataclasses.asdict(summary)


def restore(params: Mapping[str, Any]) -> dict[str, Any]:
    """Print what would be replaced; do it unless `dry_run`."""
    conf = known_only(params, "archived", "dry_run")
    archived, dry_run = conf["archived"] or "", conf["dry_run"]
    from include.measurements import config
    from include.measurements.load.mongo_store import MeasurementStore
    from include.measurements.publish.mirror import publish_locked
    from include.measurements.restore.restorer import Restorer
    from include.measurements.restore.sanitize_command import sanitize_command

    folders, emit, title = _folders(), state_wiring.events(SOURCE), config.load().mirror_title
    with state_wiring.ledger() as ledger:
        restorer = Restorer(
            folders=folders,
            archive=folders.root / "archive",
            store=MeasurementStore(database(MONGO_IMPORT)),
            sanitize=sanitize_command(bridge_map()),
            unpublish=lambda: publish_locked(folders, ledger, emit, title),
            emit=emit,
        )
        plan = restorer.plan(archived) if dry_run else restorer.restore(archived)
    LOGGER.info("%s %s", "would restore" if dry_run else "restored", plan)
    return {"done": not dry_run, "state": plan.state, "reports": len(plan.report_ids), "public": len(plan.public)}


def bridge_map() -> Path:
    """The file with the bridges, which only the sanitizer opens; SettingsError where the variable is missing."""
    from spool.errors import SettingsError

    if not (path := os.environ.get("SPILLWAY_BRIDGES", "")):
        raise SettingsError(
            "SPILLWAY_BRIDGES is not set", hint="the path of the bridge map; see include/measurements/sanitize"
        )
    return Path(path)


def database(connection_id: str) -> Any:
    """The database of a connection, by the provider's hook, with bounded waits. Connects at the first call."""
    from airflow.providers.mongo.hooks.mongo import MongoHook

    from include.clients import mongo

    connection = wiring.connection(connection_id)
    hook = MongoHook(mongo_conn_id=connection_id)
    hook.extras = {**mongo.OPTIONS, **hook.extras}
    return hook.get_conn()[connection.schema or DATABASE]


def _folders() -> Folders:
    from include.measurements.folders import Folders

    return Folders(state_wiring.state_folder())


def _limit(params: Mapping[str, Any]) -> Limit:
    from include.measurements.load.stage import Limit

    conf = known_only(params, "max_reports", "seconds")
    return Limit(reports=conf["max_reports"], deadline_s=conf["seconds"])
