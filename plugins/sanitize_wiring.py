"""
What the tasks of `sanitize_run` do: each function is one task, returns counts, and may be run again.

    variable SPILLWAY_BRIDGES   the bridge map; only the sanitizer opens it
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plugins import state_wiring
from plugins.spool_runs import known_only

LOGGER = logging.getLogger(__name__)

SOURCE = "spillway/sanitize"


def sanitize(params: Mapping[str, Any]) -> dict[str, Any]:
    """Every batch that waits in raw; see include/measurements/sanitize/pipeline.py. One log line for each report."""
    conf = known_only(params, "max_reports", "seconds")
    from include.measurements.sanitize import config, pipeline
    from include.measurements.state_folders import StateFolders

    folders = StateFolders(state_wiring.state_folder())
    with state_wiring.ledger() as ledger:
        job = pipeline.Job(
            raw=folders.root / "raw",
            folders=folders,
            bridges=bridge_map(),
            settings=config.load(),
            ledger=ledger,
            emit=state_wiring.events(SOURCE),
            limit=pipeline.Limit(conf["max_reports"], conf["seconds"]),
            tell=lambda report: LOGGER.info("%s: %s %s", report.file, report.status, report.reason),
        )
        summary = pipeline.run(job)
    return dataclasses.asdict(summary) | {"refused": len(summary.refused)}


def bridge_map() -> Path:
    """SettingsError where the variable is missing."""
    from spool.errors import SettingsError

    if not (path := os.environ.get("SPILLWAY_BRIDGES", "")):
        raise SettingsError(
            "SPILLWAY_BRIDGES is not set", hint="the path of the bridge map; see include/measurements/sanitize"
        )
    return Path(path)
