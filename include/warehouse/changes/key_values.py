"""
Values of a key as the binary log's reader gives them, as CSV of the warehouse and as literals of MariaDB.

Only types whose value in the log is the value that SELECT gives, or from which that one follows, have a row here. Types
that are missing: FLOAT and DOUBLE (widened), TIME (a negative fraction is decoded wrong), UUID and INET (the server's
own order of bytes), BIT, SET. A key of such a type is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.column_types.source_column import SourceColumn
from include.warehouse.errors import TableRefused, WholeCopyNeeded

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  as the reader writes a TIMESTAMP of 0


class Literal(NamedTuple):
    """
    csv       as the warehouse's CSV has the value
    text      to be quoted as a text of SQL; None where `bare` is the literal
    bare      a literal as it is
    """

    csv: bytes
    text: str | None = None
    bare: str = ""


def key_literals(columns: Sequence[SourceColumn], values: Sequence[object]) -> tuple[Literal, ...]:
    """The literals of one key. WholeCopyNeeded for a value that the log's reader did not understand."""
    literals = []
    for column, value in zip(columns, values, strict=True):
        try:
            literals.append(_FORMS[column.data_type](column, value))
        except (TypeError, ValueError):
            raise WholeCopyNeeded(f"the binary log's value of the key column {column.name} is not understood") from None
    return tuple(literals)


def demand_known_types(table: str, columns: Sequence[SourceColumn]) -> None:
    """TableRefused names the first column of the key whose values in the log cannot be relied on."""
    for column in columns:
        if column.data_type not in _FORMS:
            raise TableRefused(
                f"{table}: mode log cannot follow keys of the type {column.column_type} ({column.name})",
                hint="use mode watermark or snapshot for this table",
            )


def parsed_key(line: bytes, columns: Sequence[MappedColumn]) -> tuple[Literal, ...]:
    """A key that a target or the source wrote as a line of CSV."""
    return tuple(_literal_of(column, value) for column, value in zip(columns, csv_values(line), strict=True))


def csv_values(line: bytes) -> list[bytes | None]:
    """Values of a line without its end: None for NULL; of texts and empty bytes the quotes are gone."""
    values: list[bytes | None] = []
    position = 0
    while position <= len(line):
        if line[position : position + 1] != b'"':
            end = line.find(b",", position)
            end = len(line) if end < 0 else end
            values.append(line[position:end] or None)
        else:
            end = position + 1
            while (end := line.index(b'"', end)) and line[end + 1 : end + 2] == b'"':
                end += 2
            values.append(line[position + 1 : end].replace(b'""', b'"'))
            end += 1
        position = end + 1
    return values


def _literal_of(column: MappedColumn, value: bytes | None) -> Literal:
    written = value or b""
    if column.kind == "binary":
        return Literal(written, bare=f"x'{written.decode()}'")
    if column.kind in ("exact", "approximate"):
        return Literal(written, bare=written.decode())
    return Literal(written, text=written.decode())


def _integer(column: SourceColumn, value: object) -> Literal:
    if not isinstance(value, int) or (column.is_unsigned and value < 0):
        raise TypeError
    return Literal(str(value).encode(), bare=str(value))


def _decimal(column: SourceColumn, value: object) -> Literal:
    if not isinstance(value, Decimal):
        raise TypeError
    written = f"{value:.{column.scale}f}"
    return Literal(written.encode(), bare=written)


def _text(column: SourceColumn, value: object) -> Literal:
    if not isinstance(value, str):
        raise TypeError
    return Literal(b'"' + value.replace('"', '""').encode() + b'"', text=value)


def _bytes(column: SourceColumn, value: object) -> Literal:
    if isinstance(value, str):
        value = value.encode("latin-1")
    if not isinstance(value, bytes):
        raise TypeError
    # The log leaves out zeros at the end of a BINARY(n).
    whole = value.ljust(column.octets, b"\0") if column.data_type == "binary" else value
    return Literal(whole.hex().upper().encode() or b'""', bare=f"x'{whole.hex()}'")


def _date(column: SourceColumn, value: object) -> Literal:
    # None stands for dates that no calendar has.
    if not isinstance(value, date):
        raise TypeError
    return Literal(value.isoformat().encode(), text=value.isoformat())


def _moment(column: SourceColumn, value: object) -> Literal:
    if not isinstance(value, datetime) or (column.data_type == "timestamp" and value == _EPOCH):
        raise TypeError
    written = value.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0")
    if column.fraction:
        written += "." + f"{value.microsecond:06d}"[: column.fraction]
    return Literal(written.encode(), text=written)


_FORMS: Mapping[str, Callable[[SourceColumn, object], Literal]] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), _integer),
    "decimal": _decimal,
    **dict.fromkeys(("char", "varchar", "enum"), _text),
    **dict.fromkeys(("binary", "varbinary"), _bytes),
    "date": _date,
    **dict.fromkeys(("datetime", "timestamp"), _moment),
}
