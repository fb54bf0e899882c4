"""Exasol's SQL as DuckDB's, by sqlglot: names fold to capitals, '' is NULL, || takes NULL for ''."""

from __future__ import annotations

import re
from typing import Any

import sqlglot
from sqlglot import exp

from tests.support.exasol.errors import ExasolError
from tests.support.exasol.sql_text import listed

_SYSTEM_SCHEMAS = ("", "SYS", "EXA_STATISTICS")


def translated(sql: str) -> tuple[str, Any]:
    """DuckDB's SQL, and the parsed statement; ExasolError where it cannot be parsed."""
    try:
        tree = sqlglot.parse_one(_with_values(re.sub(r"/\*snapshot execution\*/", " ", sql)), read="exasol")
    except sqlglot.errors.ParseError as error:
        reason = error.errors[0]["description"] if error.errors else str(error)
        raise ExasolError("42000", f"syntax error: {reason}") from None
    _fold_names(tree)
    _fold_literals(tree)
    _rename_tables(tree)
    _rename_assignments(tree)
    for concatenated in list(tree.find_all(exp.DPipe)):
        concatenated.replace(exp.Anonymous(this="concat", expressions=[concatenated.left, concatenated.right]))
    for kind in list(tree.find_all(exp.DataType)):
        if kind.this in (exp.DataType.Type.INT, exp.DataType.Type.BIGINT):
            kind.replace(exp.DataType.build("DECIMAL(18,0)"))
    return tree.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.IGNORE), tree


def _fold_names(tree: Any) -> None:
    for identifier in tree.find_all(exp.Identifier):
        if not identifier.args.get("quoted"):
            identifier.set("this", identifier.this.upper())
        identifier.set("quoted", True)


def _fold_literals(tree: Any) -> None:
    for text in list(tree.find_all(exp.Literal)):
        if text.is_string and text.this == "":
            text.replace(exp.null())
        elif not text.is_string and re.match(r"\d+\.\d*0\Z", text.this):
            # 1.0 is a DECIMAL(1,0).
            text.set("this", text.this.rstrip("0").rstrip("."))


def _rename_tables(tree: Any) -> None:
    for table in list(tree.find_all(exp.Table)):
        if table.name == "DUAL" and not table.db:
            table.replace(exp.to_table("(SELECT 1 AS dummy) AS dual", dialect="duckdb"))
        elif table.name.startswith("EXA_") and table.db in _SYSTEM_SCHEMAS:
            table.set("db", exp.to_identifier("SYS", quoted=True))


def _rename_assignments(tree: Any) -> None:
    """DuckDB wants the bare column on the left of a MERGE's SET."""
    if isinstance(tree, exp.Merge):
        for update in tree.find_all(exp.Update):
            for assignment in update.expressions:
                if isinstance(assignment.this, exp.Column):
                    assignment.this.set("table", None)


def _with_values(sql: str) -> str:
    """`FROM VALUES 1, 2` and `FROM VALUES (1,2), (3,4) AS t(a,b)` in a form that sqlglot parses."""
    match = re.search(r"\bFROM\s+VALUES\s*", sql, re.IGNORECASE)
    if not match:
        return sql
    rest = sql[match.end() :]
    alias = re.search(r"\s+AS\s+(\w+\s*\([^()]*\))\s*\Z", rest, re.IGNORECASE)
    items = listed(rest[: alias.start()] if alias else rest)
    if len(items) == 1 and re.match(r"\(\s*\(", items[0]):
        items = listed(items[0][1:-1])
    rows = [item if item.startswith("(") else f"({item})" for item in items]
    width = len(listed(rows[0][1:-1]))
    named = alias[1] if alias else f"T({', '.join(f'COL{number + 1}' for number in range(width))})"
    return f"{sql[: match.start()]}FROM (VALUES {', '.join(rows)}) AS {named}"
