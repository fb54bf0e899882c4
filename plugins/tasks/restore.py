"""The task of `measurements_restore`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plugins.conf import known_only
from plugins.connections import count_books, measurement_state, mongo
from plugins.connections.host_folders import bridge_map, state_folder

if TYPE_CHECKING:
    from include.measurements.restore.request import RestoreRequest

LOGGER = logging.getLogger(__name__)

SOURCE = "spillway/measurements"


def restore(params: Mapping[str, Any]) -> dict[str, Any]:
    """Log what would be replaced, or what can be; do it unless `dry_run`."""
    conf = known_only(params, "archived", "rules_version", "dry_run")
    from include.measurements import config
    from include.measurements.load.mongo_store import MeasurementStore
    from include.measurements.publish.mirror import publish_locked
    from include.measurements.restore.request import RestoreRequest, carry_out
    from include.measurements.restore.restorer import Restorer
    from include.measurements.restore.sanitize_command import made_by, sanitize_command
    from include.measurements.state_folders import StateFolders

    request = RestoreRequest(conf["archived"] or "", conf["rules_version"], conf["dry_run"])
    folders, emit, title = StateFolders(state_folder()), measurement_state.events(SOURCE), config.load().mirror_title
    with count_books.ledger() as ledger:
        restorer = Restorer(
            folders=folders,
            archive=folders.root / "archive",
            store=MeasurementStore(mongo.database(mongo.MONGO_IMPORT)),
            sanitize=sanitize_command(bridge_map()),
            unpublish=lambda: publish_locked(folders, ledger, emit, title),
            emit=emit,
        )
        outcome = carry_out(request, restorer, made_by(bridge_map()))
    _log(request, outcome)
    return {name: len(value) if isinstance(value, list | tuple) else value for name, value in outcome.items()}


def _log(request: RestoreRequest, outcome: dict[str, object]) -> None:
    """Each path on a line of its own, so that it can be copied into the form; last what to do next."""
    LOGGER.info("a dry run" if request.dry_run else "done")
    for name, value in outcome.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            LOGGER.info("%s: %s", name, item)
    if request.dry_run and request.archived:
        LOGGER.info("nothing was changed; to do it, trigger again with the same conf and dry_run off")
    elif request.dry_run and request.rules_version is None:
        LOGGER.info("trigger again with one of these paths as `archived`, or with a `rules_version`: still a dry run")
