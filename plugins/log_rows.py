"""Rows as a table in a task's log, one record per line, so that every log view keeps the columns."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

LOGGER = logging.getLogger(__name__)


def log_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """All rows have the keys of the first one."""
    from spool.command_line.output import format_table

    for line in format_table(rows).splitlines() if rows else ["(no rows)"]:
        LOGGER.info("%s", line)
