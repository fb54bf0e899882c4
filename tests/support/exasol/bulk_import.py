"""IMPORT INTO ... FROM CSV: all rows of all files, or none."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb

from include.warehouse.target.duckdb_files import ProducerFailed, piped
from tests.support.exasol.data_types import declared
from tests.support.exasol.database import Database
from tests.support.exasol.errors import OVERFLOW, TOO_LONG, ExasolError
from tests.support.exasol.faults import Fault, Faults
from tests.support.exasol.sql_text import QUALIFIED, listed, literal, quoted, stored
from tests.support.exasol.tunnel import Place, Tunnels, places

_IMPORT = re.compile(rf"IMPORT\s+INTO\s+({QUALIFIED})\s*(?:\((.*?)\))?\s*FROM\s+CSV\b(.*)\Z", re.IGNORECASE | re.DOTALL)
_OPTION = re.compile(
    r"(COLUMN\s+SEPARATOR|COLUMN\s+DELIMITER|ROW\s+SEPARATOR|ENCODING|NULL|SKIP|DELIMIT)\s*=\s*'?((?:[^'\s]|'')*|[^']*)'?",
    re.IGNORECASE,
)
_SEPARATORS = {"TAB": "\t", "SPACE": " "}
_LINE_BYTES = 20_000_000
_BOOLEANS = (
    "CASE upper({0}) WHEN '1' THEN true WHEN 'T' THEN true WHEN '0' THEN false WHEN 'F' THEN false "
    "ELSE {0}::BOOLEAN END"
)


def options(sql: str) -> dict[str, str]:
    """Options of the CSV behind the files, by their names in capitals."""
    return {re.sub(r"\s+", " ", name.upper()): value for name, value in _OPTION.findall(sql)}


def separators(given: dict[str, str]) -> tuple[str, str]:
    """Between values and around them."""
    between = given.get("COLUMN SEPARATOR", ",")
    return _SEPARATORS.get(between.upper(), between), given.get("COLUMN DELIMITER", '"')


def bulk_import(database: Database, tunnels: Tunnels, faults: Faults, sql: str) -> int:
    """Rows that were imported."""
    match = _IMPORT.match(sql)
    if not match or not (files := places(match[3])):
        raise ExasolError("42000", "syntax error in IMPORT")
    schema, table = database.located(match[1])
    types = dict(database.columns(schema, table))
    if not types:
        raise ExasolError("42000", f"object {table} not found")
    columns = [stored(column) for column in listed(match[2])] if match[2] else list(types)
    own_transaction = not database.in_transaction
    if own_transaction:
        database.execute("BEGIN")
    try:
        full_name = f"{quoted(schema)}.{quoted(table)}"
        insert = partial(_insert, full_name, columns, types, options(match[3]))
        imported = sum(_load(database, tunnels, place, insert) for place in files)
        if faults.strikes(Fault.OVERFLOW):
            raise ExasolError(OVERFLOW, "data exception - numeric value out of range")
    except BaseException:
        if own_transaction:
            database.execute("ROLLBACK")
        else:
            database.rollback()
        raise
    if own_transaction:
        database.execute("COMMIT")
    return imported


def _load(database: Database, tunnels: Tunnels, place: Place, insert: Callable[[Path], str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "body"
        try:
            with piped(pipe, lambda write: tunnels.read(place, write)):
                (imported,) = database.execute(insert(pipe)).fetchone()
        except ProducerFailed as failed:
            raise failed.error from None
        except duckdb.InvalidInputException as error:
            raise _data_error(error) from None
        return int(imported)


def _data_error(error: duckdb.Error) -> ExasolError:
    line = str(error).partition("\n")[0]
    return ExasolError(TOO_LONG if "right truncation" in line else "22000", line)


def _insert(table: str, columns: list[str], types: dict[str, str], given: dict[str, str], pipe: Path) -> str:
    between, around = map(literal, separators(given))
    read = ", ".join(f"{literal(f'c{index}')}: 'VARCHAR'" for index in range(len(columns)))
    source = (
        f"read_csv({literal(pipe)}, header = false, auto_detect = false, delim = {between}, quote = {around}, "
        f"escape = {around}, columns = {{{read}}}, nullstr = {literal(given.get('NULL', ''))}, "
        f"skip = {int(given.get('SKIP') or 0)}, max_line_size = {_LINE_BYTES}, parallel = false, strict_mode = true)"
    )
    values = ", ".join(_value(f"c{index}", column, types) for index, column in enumerate(columns))
    return f"INSERT INTO {table} ({', '.join(map(quoted, columns))}) SELECT {values} FROM {source}"


def _value(read: str, column: str, types: dict[str, str]) -> str:
    """A text of the CSV as a value of its column: '' is NULL, too long is an error."""
    if column not in types:
        raise ExasolError("42000", f"object {column} not found")
    value, exasol_type = f"NULLIF({read}, '')", types[column]
    if text := re.match(r"(?:VARCHAR|CHAR)\((\d+)\)", exasol_type):
        message = literal(f"data exception - string data, right truncation [{column}]")
        return f"CASE WHEN length({read}) > {text[1]} THEN error({message}) ELSE {value} END"
    return _BOOLEANS.format(value) if exasol_type == "BOOLEAN" else f"{value}::{declared(exasol_type)[1]}"
