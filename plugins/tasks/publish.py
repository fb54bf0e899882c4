"""The task of `measurements_publish`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from plugins.conf import known_only
from plugins.connections import count_books, measurement_state
from plugins.connections.host_folders import state_folder

SOURCE = "spillway/measurements"


def publish(params: Mapping[str, Any]) -> dict[str, int]:
    """Make the mirror show what imported holds. The conf has no keys."""
    known_only(params)
    from include.measurements import config
    from include.measurements.publish import mirror
    from include.measurements.state_folders import StateFolders

    folders, title = StateFolders(state_folder()), config.load().mirror_title
    with count_books.ledger() as ledger:
        summary = mirror.publish(folders, ledger, measurement_state.events(SOURCE), title)
    return dataclasses.asdict(summary)
