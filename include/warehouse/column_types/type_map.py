"""
The table of types: what becomes of each type of MariaDB.

    MariaDB                    Exasol               DuckDB           note
    tinyint .. bigint          DECIMAL(3..20,0)     TINYINT ..       tinyint(1) stays a number: 2 is not true
    decimal(p,s)               DECIMAL(p,s)         DECIMAL(p,s)     wider than the target has: policy wide_decimals
    float, double              DOUBLE               FLOAT, DOUBLE    as DOUBLE: a FLOAT prints 6 digits only
    bit(1), bit(n)             BOOLEAN, DECIMAL(20,0)  the same
    date                       DATE                 DATE             what no calendar has: policy zero_dates
    datetime(f), timestamp(f)  TIMESTAMP(f)         TIMESTAMP        in UTC, the session's time zone
    time(f)                    VARCHAR(17)          VARCHAR          up to 838:59:59, which is no time of day
    year                       DECIMAL(4,0)         SMALLINT
    char, varchar, text        VARCHAR(n)           VARCHAR          too long for the target: policy long_text
    enum, set, json            VARCHAR(n)           VARCHAR
    binary, varbinary, blob    VARCHAR(2n), hexadecimal  BLOB
    uuid, inet4, inet6         VARCHAR(36), (15), (39)   UUID, VARCHAR
    geometry and its kinds     VARCHAR, well-known text  VARCHAR

A type that is not here is refused by name: tests enumerate the types of the server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from include.warehouse.column_types.mapped_column import Kind, Limits, MappedColumn
from include.warehouse.column_types.source_column import SourceColumn
from include.warehouse.config import Policies
from include.warehouse.errors import TypeRefused

# The warehouse's own columns; a column of the source with such a name gets this ending.
OWN_COLUMNS = frozenset({"installation", "snapshot"})
RENAMED = "_in_source"
# Exasol's longest VARCHAR, and so the size of those that need a size and have none.
EXASOL_VARCHAR_MAX = 2_000_000


class _Context(NamedTuple):
    column: SourceColumn
    policies: Policies
    limits: Limits

    def mapped(self, kind: Kind, value: str, duckdb: str, exasol: str) -> MappedColumn:
        column = self.column
        return MappedColumn(
            column.name, column.column_type, kind, value, duckdb, exasol, column.nullable,
            source_name=column.name, octets=column.octets,
        )  # fmt: skip


_Rule = Callable[[_Context], MappedColumn]


def map_columns(table: str, columns: Sequence[SourceColumn], policies: Policies, limits: Limits) -> list[MappedColumn]:
    """One mapped column for each; TypeRefused names the first column whose type has no form in the warehouse."""
    names: set[str] = set()
    mapped = []
    for column in columns:
        if (rule := _RULES.get(column.data_type)) is None:
            raise TypeRefused(
                f"{table}: column {column.name} has the type {column.column_type}, which has no form in the warehouse",
                hint="leave the table out of config/warehouse.yml, or copy a view of it without that column",
            )
        name = f"{column.name}{RENAMED}" if column.name.lower() in OWN_COLUMNS else column.name
        if name.lower() in names:
            raise TypeRefused(
                f"{table}: two columns would be called {name}", hint=f"rename {column.name} in the source"
            )
        names.add(name.lower())
        mapped.append(replace(rule(_Context(column, policies, limits)), name=name))
    return mapped


def known_types() -> frozenset[str]:
    """DATA_TYPE of every type that has a row."""
    return frozenset(_RULES)


def _integer(digits: int, duckdb: str) -> _Rule:
    def rule(context: _Context) -> MappedColumn:
        column = context.column
        unsigned_digits = 20 if column.data_type == "bigint" else digits
        wide = column.is_unsigned
        # Zeros that ZEROFILL puts in front are no part of the number.
        value = f"({column.quoted} + 0)" if column.is_zerofill else column.quoted
        return context.mapped(
            "exact", value, f"U{duckdb}" if wide else duckdb, f"DECIMAL({unsigned_digits if wide else digits},0)"
        )

    return rule


def _decimal(context: _Context) -> MappedColumn:
    column, digits_max = context.column, context.limits.decimal_digits
    value = f"({column.quoted} + 0)" if column.is_zerofill else column.quoted
    precision, scale = column.precision, column.scale
    if precision <= digits_max:
        decimal = f"DECIMAL({precision},{scale})"
        return context.mapped("exact", value, decimal, decimal)
    if context.policies.wide_decimals == "reject_row" and scale <= digits_max:
        decimal = f"DECIMAL({digits_max},{scale})"
        rejected = f"IFNULL(ABS({column.quoted}) >= 1{'0' * (digits_max - scale)}, 0)"
        return replace(context.mapped("exact", value, decimal, decimal), rejected_if=rejected)
    # Digits, a sign, a point and a zero before it.
    return replace(context.mapped("text", value, "VARCHAR", f"VARCHAR({precision + 3}) UTF8"), octets=precision + 3)


def _floating(duckdb: str) -> _Rule:
    # As DOUBLE: MariaDB prints a FLOAT with six digits, and a DOUBLE(m,d) with d of the fraction.
    return lambda context: context.mapped("approximate", f"CAST({context.column.quoted} AS DOUBLE)", duckdb, "DOUBLE")


def _bit(context: _Context) -> MappedColumn:
    value = f"({context.column.quoted} + 0)"
    if context.column.precision == 1:
        return context.mapped("exact", value, "BOOLEAN", "BOOLEAN")
    return context.mapped("exact", value, "DECIMAL(20,0)", "DECIMAL(20,0)")


def _calendar(context: _Context) -> MappedColumn:
    column = context.column
    name = column.quoted
    kinds = ("DATE", "DATE") if column.data_type == "date" else ("TIMESTAMP", f"TIMESTAMP({column.fraction})")
    # False for 0000-00-00, 2026-00-10, 2026-02-30 and the year 0; LAST_DAY of some of them is NULL.
    valid = f"IFNULL(YEAR({name}) > 0 AND DAY({name}) BETWEEN 1 AND DAY(LAST_DAY({name})), 0)"
    # A TIMESTAMP is a number of seconds: only 0 is no moment.
    invalid = f"IFNULL({name} = 0, 0)" if column.data_type == "timestamp" else f"({name} IS NOT NULL AND NOT {valid})"
    if context.policies.zero_dates == "reject_row":
        return replace(context.mapped("moment", name, *kinds), rejected_if=invalid)
    mapped = context.mapped("moment", f"IF({invalid}, NULL, {name})", *kinds)
    return replace(mapped, nullable=True, replaced_if=invalid, plain=name)


def _year(context: _Context) -> MappedColumn:
    return context.mapped("exact", f"({context.column.quoted} + 0)", "SMALLINT", "DECIMAL(4,0)")


def _text(context: _Context) -> MappedColumn:
    column = context.column
    # Columns of several character sets cannot be joined into one line.
    value = column.quoted if column.charset == "utf8mb4" else f"CONVERT({column.quoted} USING utf8mb4)"
    return _bounded(context, value, column.characters or EXASOL_VARCHAR_MAX)


def _as_char(size: int, duckdb: str = "VARCHAR") -> _Rule:
    def rule(context: _Context) -> MappedColumn:
        value = f"CAST({context.column.quoted} AS CHAR)"
        return replace(context.mapped("text", value, duckdb, f"VARCHAR({size}) UTF8"), octets=size)

    return rule


def _geometry(context: _Context) -> MappedColumn:
    return _bounded(context, f"CONVERT(ST_AsText({context.column.quoted}) USING utf8mb4)", EXASOL_VARCHAR_MAX + 1)


def _bounded(context: _Context, value: str, characters: int) -> MappedColumn:
    """A text that may be longer than the target's longest."""
    size = max(1, min(characters, EXASOL_VARCHAR_MAX))
    mapped = context.mapped("text", value, "VARCHAR", f"VARCHAR({size}) UTF8")
    longest = context.limits.text_characters
    if longest is None or characters <= longest:
        return mapped
    too_long = f"IFNULL(CHAR_LENGTH({value}) > {longest}, 0)"
    if context.policies.long_text == "truncate":
        return replace(mapped, value=f"LEFT({value}, {longest})", replaced_if=too_long, plain=value)
    return replace(mapped, rejected_if=too_long)


def _binary(context: _Context) -> MappedColumn:
    column = context.column
    digits = 2 * column.octets
    size = max(2, min(digits, EXASOL_VARCHAR_MAX))
    mapped = context.mapped("binary", column.quoted, "BLOB", f"VARCHAR({size}) ASCII")
    longest = context.limits.text_characters
    if longest is None or digits <= longest:
        return mapped
    too_long = f"IFNULL(LENGTH({column.quoted}) > {longest // 2}, 0)"
    if context.policies.long_text == "truncate":
        cut = f"LEFT({column.quoted}, {longest // 2})"
        return replace(mapped, value=cut, replaced_if=too_long, plain=column.quoted)
    return replace(mapped, rejected_if=too_long)


_RULES: Mapping[str, _Rule] = {
    "tinyint": _integer(3, "TINYINT"),
    "smallint": _integer(5, "SMALLINT"),
    "mediumint": _integer(8, "INTEGER"),
    "int": _integer(10, "INTEGER"),
    "bigint": _integer(19, "BIGINT"),
    "decimal": _decimal,
    "float": _floating("FLOAT"),
    "double": _floating("DOUBLE"),
    "bit": _bit,
    "date": _calendar,
    "datetime": _calendar,
    "timestamp": _calendar,
    "time": _as_char(17),
    "year": _year,
    "uuid": _as_char(36, "UUID"),
    "inet4": _as_char(15),
    "inet6": _as_char(39),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"), _text),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), _binary),
    **dict.fromkeys(
        (
            "geometry", "point", "linestring", "polygon",
            "multipoint", "multilinestring", "multipolygon", "geometrycollection",
        ),
        _geometry,
    ),
}  # fmt: skip
