"""
Names, types and values in Exasol's SQL.

Names of schemas, views and columns are folded to capitals, so that analysts need no quotes: `SELECT name FROM
snapshot_current.participants`. Tables that hold snapshots have `/` in their names, which nobody types.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.errors import WarehouseRefused

DIGITS_MAX = 36
TEXT_MAX = 2_000_000
_CAPITALS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def folded(identifier: str) -> str:
    """As Exasol keeps a name that is not quoted. The warehouse's columns differ by more than case (type_map)."""
    return identifier.translate(_CAPITALS)


def name(*parts: str) -> str:
    """A quoted name, with its schema where two are given."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """A text as a literal; '' is NULL."""
    return "'" + text.replace("'", "''") + "'"


def column_name(column: MappedColumn) -> str:
    """The column's name in Exasol, not quoted; WarehouseRefused for the one character that no name may have."""
    if "." in column.name:
        raise WarehouseRefused(
            f"Exasol allows no dot in the name of column {column.name}", hint="copy a view that names it differently"
        )
    return folded(column.name)


def definition(column: MappedColumn) -> str:
    """For CREATE TABLE. A text that is empty is NULL in Exasol, so no text can be demanded."""
    demanded = "" if column.nullable or column.kind in ("text", "binary") else " NOT NULL"
    return f"{name(column_name(column))} {column.exasol}{demanded}"


def same_key(key: Sequence[MappedColumn], left: str, right: str) -> str:
    """Condition that two rows have one key. An empty text in a key is NULL on both sides."""
    conditions = []
    for column in key:
        here, there = (f"{side}.{name(column_name(column))}" for side in (left, right))
        equal = f"{here} = {there}"
        is_text = column.kind in ("text", "binary")
        conditions.append(f"({equal} OR ({here} IS NULL AND {there} IS NULL))" if is_text else equal)
    return " AND ".join(conditions)


def csv_value(column: MappedColumn, value: object) -> str:
    """A value of a key, which is never NULL in the source, as the source writes it."""
    if column.kind == "text":
        return '"' + str(value or "").replace('"', '""') + '"'
    if column.kind == "binary":
        return str(value or '""')
    if column.kind == "exact":
        return str(int(value)) if isinstance(value, bool) else f"{Decimal(str(value)):.{_scale(column.exasol)}f}"
    return str(value) if column.kind == "approximate" else _moment(column.exasol, str(value))


def text_value(column: MappedColumn, value: object) -> str | None:
    """A value as the source writes it, without the quotes of CSV."""
    if value is None:
        return None
    return str(value) if column.kind in ("text", "binary") else csv_value(column, value)


def common_type(types: Sequence[str]) -> str:
    """A type that holds the values of all of them, for views over tables of different installations."""
    distinct = sorted(set(types))
    if len(distinct) == 1:
        return distinct[0]
    numbers = [[int(number) for number in re.findall(r"\d+", one_type)] for one_type in distinct]
    if all(one_type.startswith("DECIMAL(") for one_type in distinct):
        whole = max(precision - scale for precision, scale in numbers)
        scale = max(scale for _, scale in numbers)
        if whole + scale <= DIGITS_MAX:
            return f"DECIMAL({whole + scale},{scale})"
    if all(one_type.startswith(("DATE", "TIMESTAMP(")) for one_type in distinct):
        return f"TIMESTAMP({max(sum(digits) for digits in numbers)})"
    if all(one_type.startswith("VARCHAR(") for one_type in distinct):
        return f"VARCHAR({max(digits[0] for digits in numbers)})"
    return f"VARCHAR({TEXT_MAX})"


def cast(value: str, exasol_type: str) -> str:
    """A value as another type; texts are UTF-8 where nothing else is said."""
    return f"CAST({value} AS {exasol_type.removesuffix(' UTF8').removesuffix(' ASCII')})"


def _scale(exasol_type: str) -> int:
    return int(exasol_type.rstrip(")").partition(",")[2] or 0)


def _moment(exasol_type: str, text: str) -> str:
    """`2026-11-25 09:30:00.500000` with as many digits of the fraction as the source's column has."""
    if not exasol_type.startswith("TIMESTAMP"):
        return text
    digits = int(re.findall(r"\d+", exasol_type)[0])
    seconds, _, fraction = text.partition(".")
    return f"{seconds}.{fraction[:digits].ljust(digits, '0')}" if digits else seconds
