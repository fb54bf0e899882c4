"""The task of `sanitize_run`."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

from plugins.conf import known_only
from plugins.connections import count_books, measurement_state
from plugins.connections.host_folders import bridge_map, state_folder

LOGGER = logging.getLogger(__name__)

SOURCE = "spillway/sanitize"


def sanitize(params: Mapping[str, Any]) -> dict[str, Any]:
    """Every batch that waits in raw; see include/measurements/sanitize/pipeline.py. One log line for each report."""
    conf = known_only(params, "max_reports", "seconds")
    from include.measurements.sanitize import config, pipeline
    from include.measurements.state_folders import StateFolders

    folders = StateFolders(state_folder())
    with count_books.ledger() as ledger:
        job = pipeline.Job(
            raw=folders.root / "raw",
            folders=folders,
            bridges=bridge_map(),
            settings=config.load(),
            ledger=ledger,
            emit=measurement_state.events(SOURCE),
            limit=pipeline.Limit(conf["max_reports"], conf["seconds"]),
            on_settled=lambda report: LOGGER.info("%s: %s %s", report.file, report.status, report.reason),
        )
        summary = pipeline.run(job)
    return dataclasses.asdict(summary) | {"refused": len(summary.refused)}
