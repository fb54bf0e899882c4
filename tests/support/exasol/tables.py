"""
CREATE TABLE, which sqlglot cannot read in Exasol's form.

The declared type of a column is kept in its comment, which is part of the transaction and survives a RENAME.
"""

from __future__ import annotations

import re

from tests.support.exasol.data_types import declared
from tests.support.exasol.database import Database
from tests.support.exasol.errors import ExasolError
from tests.support.exasol.sql_text import IDENTIFIER, QUALIFIED, listed, literal, quoted, stored

CREATE_TABLE = re.compile(
    rf"CREATE\s+(OR\s+REPLACE\s+)?TABLE\s+(IF\s+NOT\s+EXISTS\s+)?({QUALIFIED})\s*\((?!\s*SELECT)(.*)\)"
    r"\s*(?:COMMENT\s+IS\s+'.*')?\Z",
    re.IGNORECASE | re.DOTALL,
)
_COLUMN = re.compile(rf"({IDENTIFIER})\s+(.*)\Z", re.DOTALL)
_TYPE = re.compile(
    r"((?:DOUBLE\s+PRECISION|LONG\s+VARCHAR|CHAR(?:ACTER)?\s+VARYING|CHARACTER\s+LARGE\s+OBJECT"
    r"|INTERVAL\s+(?:YEAR|DAY)|[A-Z0-9]+)\s*(?:\([^)]*\))?(?:\s+TO\s+\w+(?:\s*\(\d+\))?)?"
    r"(?:\s+WITH\s+LOCAL\s+TIME\s+ZONE)?(?:\s+(?:CHARACTER\s+SET\s+)?(?:UTF8|ASCII)\b)?)(.*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_DEFAULT = re.compile(r"\bDEFAULT\s+('(?:[^']|'')*'|\w+(?:\([^)]*\))?|-?[\d.]+)", re.IGNORECASE)
# Keys of Exasol are not enforced unless that is switched on; distribution is of no meaning here.
_NO_COLUMN = re.compile(r"(DISTRIBUTE|PARTITION)\s+BY|(CONSTRAINT|PRIMARY|FOREIGN|UNIQUE)\b", re.IGNORECASE)


def create_table(database: Database, match: re.Match[str]) -> int:
    """`match` is one of CREATE_TABLE."""
    replace, if_missing, name, body = match.groups()
    if not database.schema and "." not in name:
        raise ExasolError("42000", "no schema specified or opened or current schema has been dropped")
    columns = [_column(part) for part in listed(body) if not _NO_COLUMN.match(part)]
    full_name = database.full_name(name)
    defined = ", ".join(definition for _, _, definition in columns)
    or_replace, if_not_exists = "OR REPLACE " if replace else "", "IF NOT EXISTS " if if_missing else ""
    exists = database.columns(*database.located(name))
    database.execute(f"CREATE {or_replace}TABLE {if_not_exists}{full_name} ({defined})")
    if not (exists and if_missing):
        for column, exasol_type, _ in columns:
            database.execute(f"COMMENT ON COLUMN {full_name}.{quoted(column)} IS {literal(exasol_type)}")
    return 0


def _column(part: str) -> tuple[str, str, str]:
    """Name, Exasol's type and DuckDB's definition."""
    column = _COLUMN.match(part)
    kind = _TYPE.match(column[2]) if column else None
    if column is None or kind is None:
        raise ExasolError("42000", f"syntax error in {part}")
    exasol_type, duckdb_type = declared(kind[1])
    name = stored(column[1])
    default = _DEFAULT.search(kind[2])
    definition = f"{quoted(name)} {duckdb_type}"
    if default and default[1] != "''":
        definition += f" DEFAULT {default[1]}"
    if re.search(r"\bNOT\s+NULL\b", kind[2], re.IGNORECASE):
        definition += " NOT NULL"
    return name, exasol_type, definition
