"""A first look at a table of a snapshot: how many rows, what the policies do to them, how long a line of CSV may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.column_types.source_column import quoted
from include.warehouse.source.csv_rows import rejections
from include.warehouse.source.snapshot_transaction import SnapshotTransaction

# A number or a moment and the comma; the longest are a DOUBLE, a DECIMAL of 65 digits and a TIMESTAMP.
_BARE_BYTES = 72
# Columns that may hold more are measured; for the others their declaration is the bound.
_MEASURED_OCTETS = 4_096


class Survey(NamedTuple):
    """
    rows           that are to be loaded; with `rejected` all rows of the table
    rejected       rows that a policy rejects
    rejected_by    rows that a column rejects, by its name; a row may be rejected by several
    replaced_by    values of the rows to be loaded that a policy replaces, by the column's name
    longest_line   no line of CSV has more bytes
    columns        to select by: without the policies that have nothing to do in this snapshot
    """

    rows: int
    rejected: int
    rejected_by: Mapping[str, int]
    replaced_by: Mapping[str, int]
    longest_line: int
    columns: tuple[MappedColumn, ...]


def survey_table(snapshot: SnapshotTransaction, table: str, columns: Sequence[MappedColumn]) -> Survey:
    """One scan of the table, which is a short one where no policy and no long column is there."""
    rejecting = [column for column in columns if column.rejected_if]
    replacing = [column for column in columns if column.replaced_if]
    measured = [column for column in columns if _is_measured(column)]
    rejected = f"({' OR '.join(rejections(columns))})" if rejecting else "0"
    selected = [
        "COUNT(*)",
        f"SUM({rejected})",
        *(f"SUM({column.rejected_if})" for column in rejecting),
        *(f"SUM({column.replaced_if} AND NOT {rejected})" for column in replacing),
        *(f"MAX(LENGTH({column.plain or column.value}))" for column in measured),
    ]
    row = snapshot.row(f"SELECT {', '.join(selected)} FROM {quoted(table)}")
    counts = iter([int(value or 0) for value in row])
    total, rejected_rows = next(counts), next(counts)
    rejected_by = {column.name: next(counts) for column in rejecting}
    replaced_by = {column.name: next(counts) for column in replacing}
    lengths = {column.name: next(counts) for column in measured}
    idle = {name for name, count in {**rejected_by, **replaced_by}.items() if not count}
    return Survey(
        total - rejected_rows,
        rejected_rows,
        {name: count for name, count in rejected_by.items() if count},
        {name: count for name, count in replaced_by.items() if count},
        1 + sum(_bytes_of(column, lengths) for column in columns),
        tuple(column.without_policy() if column.name in idle else column for column in columns),
    )


def declared_line_bytes(columns: Sequence[MappedColumn]) -> int:
    """No line of CSV has more bytes, by the declarations of the columns; a great number where they say nothing."""
    unbounded = any(column.kind in ("text", "binary") and not column.octets for column in columns)
    return 2**62 if unbounded else 1 + sum(_bytes_of(column, {}) for column in columns)


def _is_measured(column: MappedColumn) -> bool:
    return column.kind in ("text", "binary") and not 0 < column.octets <= _MEASURED_OCTETS


def _bytes_of(column: MappedColumn, lengths: Mapping[str, int]) -> int:
    """Of the CSV: quotes of a text may double it, hexadecimal digits do."""
    if column.kind not in ("text", "binary"):
        return _BARE_BYTES
    # In another character set than the server's a character may have up to four bytes here.
    octets = lengths[column.name] if column.name in lengths else 4 * column.octets
    return 2 * octets + 3
