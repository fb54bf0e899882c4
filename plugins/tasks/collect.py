"""The tasks of `collectors_sync`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from plugins.conf import known_only
from plugins.connections import count_books, measurement_state
from plugins.connections.host_folders import state_folder
from spool.errors import SettingsError

SOURCE = "spillway/collectors"


def hosts(params: Mapping[str, Any]) -> list[str]:
    """Ids of the hosts to sync: one, or all where none is named. SettingsError names file and key, or the known ids."""
    from include.measurements.collect import config

    only = known_only(params, "host")["host"]
    collectors = config.load()
    if only and only not in collectors:
        raise SettingsError(f"unknown host {only!a}", hint=f"known are {', '.join(sorted(collectors))}")
    return [only] if only else sorted(collectors)


def sync_host(host: str) -> dict[str, Any]:
    """One sync of one host; see include/measurements/collect/pipeline.py."""
    from include.measurements.collect import composition, config

    with count_books.ledger() as ledger:
        summary = composition.sync_one(
            config.load()[host],
            state_folder(),
            ledger,
            measurement_state.events(SOURCE),
            measurement_state.announcements,
        )
    return {**dataclasses.asdict(summary), "batches": len(summary.batches)}
