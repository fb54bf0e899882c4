"""EXPORT ... INTO CSV: rows of a table or query, dealt out to the files of the statement."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.support.exasol.bulk_import import options, separators
from tests.support.exasol.data_types import sent
from tests.support.exasol.database import Database
from tests.support.exasol.errors import ExasolError
from tests.support.exasol.results import ResultSet, fetched
from tests.support.exasol.sql_text import QUALIFIED, listed, quoted, stored
from tests.support.exasol.translation import translated
from tests.support.exasol.tunnel import Tunnels, places

_EXPORT = re.compile(rf"EXPORT\s+(\(.*\)|{QUALIFIED}(?:\s*\([^)]*\))?)\s*INTO\s+CSV\b(.*)\Z", re.IGNORECASE | re.DOTALL)
_TABLE = re.compile(rf"({QUALIFIED})(?:\s*\(([^)]*)\))?\Z")
_PIECE_BYTES = 65_536


def bulk_export(database: Database, tunnels: Tunnels, sql: str) -> int:
    """Rows that were exported."""
    match = _EXPORT.match(sql)
    if not match or not (files := places(match[2])):
        raise ExasolError("42000", "syntax error in EXPORT")
    result = fetched(database.execute(_query(database, match[1])))
    has_names = bool(re.search(r"WITH\s+COLUMN\s+NAMES", match[2], re.IGNORECASE))
    given = options(match[2])
    for index, place in enumerate(files):
        part = ResultSet(result.columns, result.rows[index :: len(files)])
        tunnels.write(place, _pieces(_lines(part, given, has_names)))
    return len(result.rows)


def _query(database: Database, exported: str) -> str:
    if exported.startswith("("):
        return translated(exported[1:-1].strip())[0]
    table = _TABLE.match(exported)
    if table is None:
        raise ExasolError("42000", "syntax error in EXPORT")
    columns = ", ".join(quoted(stored(column)) for column in listed(table[2])) if table[2] else "*"
    return f"SELECT {columns} FROM {database.full_name(table[1])}"


def _lines(result: ResultSet, given: dict[str, str], has_names: bool) -> Iterator[str]:
    between, around = separators(given)
    mode = given.get("DELIMIT", "AUTO").upper()
    if has_names:
        yield between.join(name for name, _ in result.columns)
    kinds = [kind for _, kind in result.columns]
    for row in result.rows:
        cells = [_cell(sent(value, kind), mode, between, around) for value, kind in zip(row, kinds, strict=True)]
        yield between.join(cells)


def _cell(value: object, mode: str, between: str, around: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    text = str(value)
    needs = isinstance(value, str) and any(mark in text for mark in (between, around, "\n", "\r", " ", "\t"))
    if mode == "ALWAYS" or (mode == "AUTO" and needs):
        return around + text.replace(around, around * 2) + around
    return text


def _pieces(lines: Iterator[str]) -> Iterator[bytes]:
    collected: list[bytes] = []
    size = 0
    for line in lines:
        collected.append(f"{line}\n".encode())
        size += len(collected[-1])
        if size >= _PIECE_BYTES:
            yield b"".join(collected)
            collected, size = [], 0
    if collected:
        yield b"".join(collected)
