"""Prepared statements: a statement with `?`, its parameters' types, and rows of values for it."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlglot import exp

from tests.support.exasol.database import Database
from tests.support.exasol.errors import ExasolError
from tests.support.exasol.results import Column, Handles, Result, column_descriptions
from tests.support.exasol.statements import Statements
from tests.support.exasol.translation import translated

_ANY_TEXT: Column = ("", "VARCHAR(2000000) UTF8")


class Prepared(NamedTuple):
    sql: str
    parameters: list[Column]


def prepare(database: Database, handles: Handles, sql: str) -> dict[str, object]:
    """The object `responseData`; the statement is kept under its handle."""
    sql = sql.strip().rstrip(";")
    database.begin()
    _, tree = translated(sql)
    parameters = _parameters(database, tree)
    results: list[dict[str, object]] = [{"resultType": "rowCount", "rowCount": 0}]
    if isinstance(tree, exp.Query):
        described = {"numColumns": 0, "numRows": 0, "numRowsInMessage": 0, "columns": []}
        results = [{"resultType": "resultSet", "resultSet": described}]
    answer = {"statementHandle": handles.keep(Prepared(sql, parameters)), "numResults": 1, "results": results}
    if parameters:
        described_columns = column_descriptions(parameters)
        answer["parameterData"] = {"numColumns": len(parameters), "columns": described_columns}
    return answer


def execute(statements: Statements, prepared: Prepared, by_column: list[list[Any]]) -> Result:
    """`by_column`: the values of each parameter, those of all rows."""
    rows = [list(row) for row in zip(*by_column, strict=True)]
    return statements.run_prepared(prepared.sql, rows) if rows else statements.run(prepared.sql)


def _parameters(database: Database, tree: Any) -> list[Column]:
    count = len(list(tree.find_all(exp.Placeholder, exp.Parameter)))
    if not count or not isinstance(tree, exp.Insert):
        return [_ANY_TEXT] * count
    target = tree.this
    table = target.this if isinstance(target, exp.Schema) else target
    types = dict(database.columns(table.db or database.schema, table.name))
    names = [column.name for column in target.expressions] if isinstance(target, exp.Schema) else list(types)
    missing = [name for name in names if name not in types]
    if missing or not types:
        raise ExasolError("42000", f"object {(missing or [table.name])[0]} not found")
    return [("", types[name]) for name in names][:count]
