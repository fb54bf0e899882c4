"""The task of `spool_intake_files`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plugins.connections import engine


def take_in_log_files(params: Mapping[str, Any]) -> dict[str, Any]:
    """Append the lines of the chosen log files."""
    from include.log_files import config
    from include.log_files.pipeline import take_in

    request = config.intake_request(params)
    with engine.spool_client() as client:
        return take_in(client, request, config.load())
