"""
What a table of Exasol adds up to.

A text that is empty is NULL, so `present` of texts is not stated. A SUM is a DECIMAL of 36 digits: where it exceeds
them, the sums of wide columns are not stated either, and their limits and counts are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from include.warehouse.column_types import digest
from include.warehouse.column_types.digest import ColumnDigest, Digest
from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.errors import WarehouseRefused
from include.warehouse.target.exasol_sql import DIGITS_MAX, column_name, name

Query = Callable[[str], list[tuple[Any, ...]]]

# Digits that a sum of so many rows may need besides those of its values.
_SUM_DIGITS = 11


def table_digest(query: Query, table: str, columns: Sequence[MappedColumn]) -> Digest:
    """`table` is a quoted name."""
    try:
        return _digest(query, table, columns, lambda column: column.kind == "exact")
    except WarehouseRefused:
        narrow = {column.name for column in columns if column.kind == "exact" and not _is_wide(column)}
        if all(column.kind != "exact" or column.name in narrow for column in columns):
            raise
        return _digest(query, table, columns, lambda column: column.name in narrow)


def _digest(
    query: Query, table: str, columns: Sequence[MappedColumn], is_summed: Callable[[MappedColumn], bool]
) -> Digest:
    parts = [part for column in columns for part in _parts(column, is_summed(column))]
    ((rows, *values),) = query(f"SELECT {', '.join(['COUNT(*)', *parts])} FROM {table}")
    left = iter(values)
    digests = {
        column.name: _column_digest(column, [next(left) for _ in _parts(column, is_summed(column))])
        for column in columns
    }
    return Digest(int(rows), digests)


def _parts(column: MappedColumn, is_summed: bool) -> list[str]:
    value = name(column_name(column))
    if column.kind in ("text", "binary"):
        return [f"COUNT({value})", f"SUM(LENGTH({value}))"]
    if column.exasol == "BOOLEAN":
        value = f"CASE WHEN {value} THEN 1 WHEN NOT {value} THEN 0 END"
    summed = [f"SUM({value})"] if is_summed else []
    return [f"COUNT({value})", f"MIN({value})", f"MAX({value})", *summed]


def _column_digest(column: MappedColumn, taken: Sequence[Any]) -> ColumnDigest:
    if column.kind in ("text", "binary"):
        filled, characters = (int(value or 0) for value in taken)
        # Bytes are two hexadecimal digits each.
        return ColumnDigest(filled=filled, characters=characters // 2 if column.kind == "binary" else characters)
    canonical = {"exact": digest.exact, "approximate": digest.approximate, "moment": digest.moment}[column.kind]
    present, least, greatest, *summed = taken
    total = digest.exact(summed[0]) if summed else None
    return ColumnDigest(int(present), sum=total, least=canonical(least), greatest=canonical(greatest))


def _is_wide(column: MappedColumn) -> bool:
    digits = column.exasol.removeprefix("DECIMAL(").partition(",")[0]
    return digits.isdigit() and int(digits) + _SUM_DIGITS > DIGITS_MAX
