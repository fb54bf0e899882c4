"""When a whole copy is cheaper than its changes."""

from __future__ import annotations

# Measured on two cores: rows that a whole copy brings into DuckDB, and changed rows that the log's reader decodes.
COPIED_ROWS_PER_S = 300_000
CHANGED_ROWS_PER_S = 10_000
# A second of reading: no table is so small that a few changes are not worth it.
CHANGED_ROWS_LEAST = 10_000


def changes_worth_reading(rows: int) -> int:
    """
    How many changed rows are read of a table of `rows` rows before it is copied whole instead.

    Nobody knows beforehand how many changes there are. Reading ends when it has taken as long as a whole copy takes: so
    the two together never take more than twice the better of them.
    """
    return max(CHANGED_ROWS_LEAST, rows * CHANGED_ROWS_PER_S // COPIED_ROWS_PER_S)
