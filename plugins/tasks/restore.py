"""The task of `measurements_restore`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from plugins.conf import known_only
from plugins.connections import measurement_state, mongo
from plugins.connections.host_folders import bridge_map, state_folder

LOGGER = logging.getLogger(__name__)

SOURCE = "spillway/measurements"


def restore(params: Mapping[str, Any]) -> dict[str, Any]:
    """Print what would be replaced; do it unless `dry_run`."""
    conf = known_only(params, "archived", "dry_run")
    archived, dry_run = conf["archived"] or "", conf["dry_run"]
    from include.measurements import config
    from include.measurements.load.mongo_store import MeasurementStore
    from include.measurements.publish.mirror import publish_locked
    from include.measurements.restore.restorer import Restorer
    from include.measurements.restore.sanitize_command import sanitize_command
    from include.measurements.state_folders import StateFolders

    folders, emit, title = StateFolders(state_folder()), measurement_state.events(SOURCE), config.load().mirror_title
    with measurement_state.ledger() as ledger:
        restorer = Restorer(
            folders=folders,
            archive=folders.root / "archive",
            store=MeasurementStore(mongo.database(mongo.MONGO_IMPORT)),
            sanitize=sanitize_command(bridge_map()),
            unpublish=lambda: publish_locked(folders, ledger, emit, title),
            emit=emit,
        )
        plan = restorer.plan(archived) if dry_run else restorer.restore(archived)
    LOGGER.info("%s %s", "would restore" if dry_run else "restored", plan)
    return {"done": not dry_run, "state": plan.state, "reports": len(plan.report_ids), "public": len(plan.public)}
