"""Rows as a table in a task's log, one record a line, so that every log view keeps the columns."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

LOGGER = logging.getLogger(__name__)


def log_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """All rows have the keys of the first one."""
    for line in table(rows):
        LOGGER.info("%s", line)


def table(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Lines with columns as wide as they need; numbers to the right, with thousands."""
    if not rows:
        return ["(no rows)"]
    headings = list(rows[0])
    texts = [[_cell(row[heading]) for heading in headings] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *texts, strict=True)]
    is_number = [all(isinstance(row[heading], int) for row in rows) for heading in headings]

    def line(cells: Sequence[str]) -> str:
        fitted = (c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, is_number, strict=True))
        return "  ".join(fitted).rstrip()

    return [line(headings), line(["-" * width for width in widths]), *map(line, texts)]


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
