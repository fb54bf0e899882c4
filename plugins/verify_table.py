"""How a verify report reads in a task's log: a table, one row a log; and the error that a difference raises."""

from __future__ import annotations

import logging
from collections.abc import Sequence

LOGGER = logging.getLogger(__name__)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines with columns as wide as they need; numbers to the right, with thousands."""
    texts = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *texts, strict=True)]
    numeric = [all(isinstance(row[n], int) for row in rows) for n in range(len(headings))]

    def line(cells: Sequence[str]) -> str:
        fitted = (c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, numeric, strict=True))
        return "  ".join(fitted).rstrip()

    return [line(headings), line(["-" * width for width in widths]), *map(line, texts)]


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def log_lines(lines: Sequence[str]) -> None:
    """One record a line, so that every log view keeps the columns."""
    for line in lines:
        LOGGER.info("%s", line)
