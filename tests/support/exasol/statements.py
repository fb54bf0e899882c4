"""One statement of SQL: by its first words here, else by sqlglot."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp

from tests.support.exasol.bulk_export import bulk_export
from tests.support.exasol.bulk_import import bulk_import
from tests.support.exasol.database import Database
from tests.support.exasol.faults import Faults
from tests.support.exasol.results import Column, Result, ResultSet, fetched
from tests.support.exasol.sql_text import IDENTIFIER, QUALIFIED, parts, quoted, stored, without_comments
from tests.support.exasol.tables import CREATE_TABLE, create_table
from tests.support.exasol.translation import translated
from tests.support.exasol.tunnel import Tunnels

_FLAGS = re.IGNORECASE | re.DOTALL
_IGNORED = re.compile(
    r"(ALTER\s+SESSION|ALTER\s+SYSTEM|FLUSH\s+STATISTICS|RECOMPRESS|REORGANIZE|PRELOAD|ENFORCE|GRANT|REVOKE)\b"
    r"|ALTER\s+TABLE\s+\S+\s+(DISTRIBUTE|PARTITION|DROP\s+(DISTRIBUTION|PARTITION))",
    _FLAGS,
)
_MERGE_DELETE = re.compile(
    r"(MERGE\s.*?UPDATE\s+SET\s.*?)\s+(?:WHERE\s+(.*?)\s+)?DELETE\s+WHERE\s+(.*?)(\s+WHEN\s+NOT.*)?\Z", _FLAGS
)


class Statements:
    """Runs statements of one session on its database."""

    def __init__(self, database: Database, tunnels: Tunnels, faults: Faults) -> None:
        self._database, self._tunnels, self._faults = database, tunnels, faults
        self.query_timeout_s = 0
        self._forms: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], Result]]] = (
            (re.compile(r"IMPORT\b", _FLAGS), self._import),
            (re.compile(r"EXPORT\b", _FLAGS), self._export),
            (CREATE_TABLE, lambda match: create_table(database, match)),
            (re.compile(rf"CREATE\s+SCHEMA\s+(IF\s+NOT\s+EXISTS\s+)?({IDENTIFIER})\Z", _FLAGS), self._create_schema),
            (
                re.compile(rf"RENAME\s+(TABLE|VIEW|SCHEMA)\s+({QUALIFIED})\s+TO\s+({QUALIFIED})\Z", _FLAGS),
                self._rename,
            ),
        )

    def run(self, sql: str) -> Result:
        """ExasolError or duckdb.Error; in a transaction it is rolled back."""
        sql = without_comments(sql)
        if re.match(r"COMMIT\b", sql, re.IGNORECASE):
            self._database.commit()
        elif re.match(r"ROLLBACK\b", sql, re.IGNORECASE):
            self._database.rollback()
        elif _IGNORED.match(sql):
            if match := re.match(r"ALTER\s+SESSION\s+SET\s+QUERY_TIMEOUT\s*=\s*(\d+)", sql, re.IGNORECASE):
                self.query_timeout_s = int(match[1])
        elif match := re.match(rf"OPEN\s+SCHEMA\s+({IDENTIFIER})\Z", sql, re.IGNORECASE):
            self._database.open_schema(stored(match[1]))
        elif re.match(r"CLOSE\s+SCHEMA\b", sql, re.IGNORECASE):
            self._database.schema = ""
        else:
            self._database.begin()
            return self._in_transaction(sql)
        return 0

    def run_prepared(self, sql: str, rows: Sequence[Sequence[object]]) -> Result:
        """With one row of values after the other."""
        self._database.begin()
        duckdb_sql, tree = translated(sql)
        if isinstance(tree, exp.Query):
            return fetched(self._database.execute(duckdb_sql, rows[0] if rows else None))
        self._database.execute_many(duckdb_sql, [[None if value == "" else value for value in row] for row in rows])
        return len(rows)

    def typed(self, tree: Any, result: ResultSet) -> ResultSet:
        """A column of a table that is selected as it is has its declared type."""
        if not isinstance(tree, exp.Select):
            return result
        known: dict[str, str] = {}
        for table in tree.find_all(exp.Table):
            known.update(self._database.columns(table.db or self._database.schema, table.name))
        plain = {one.alias_or_name: one.name for one in tree.selects if isinstance(one, exp.Column)}
        everything = any(one.is_star and not isinstance(one, exp.Count) for one in tree.selects)

        def kind(column: Column) -> str:
            name = plain.get(column[0], column[0] if everything else "")
            return known.get(name, column[1])

        return ResultSet([(column[0], kind(column)) for column in result.columns], result.rows)

    def _in_transaction(self, sql: str) -> Result:
        for form, run in self._forms:
            if match := form.match(sql):
                return run(match)
        duckdb_sql, tree = translated(_without_merge_delete(sql))
        answer = self._database.execute(duckdb_sql)
        if isinstance(tree, exp.Query) or tree.key in ("describe", "values"):
            return self.typed(tree, fetched(answer))
        if isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge):
            changed = answer.fetchone()
            return int(changed[0]) if changed else 0
        return 0

    def _import(self, match: re.Match[str]) -> Result:
        return bulk_import(self._database, self._tunnels, self._faults, match.string)

    def _export(self, match: re.Match[str]) -> Result:
        return bulk_export(self._database, self._tunnels, match.string)

    def _create_schema(self, match: re.Match[str]) -> Result:
        self._database.execute(f"CREATE SCHEMA {match[1] or ''} {quoted(stored(match[2]))}")
        # Exasol opens a schema that it creates.
        self._database.open_schema(stored(match[2]))
        return 0

    def _rename(self, match: re.Match[str]) -> Result:
        new_name = quoted(parts(match[3])[-1])
        self._database.execute(f"ALTER {match[1]} {self._database.full_name(match[2])} RENAME TO {new_name}")
        return 0


def _without_merge_delete(sql: str) -> str:
    """`UPDATE SET ... DELETE WHERE c` as two branches: delete where `c` holds, else update."""
    match = _MERGE_DELETE.match(sql)
    if not match:
        return sql
    branches = f"WHEN MATCHED AND ({match[3]}) THEN DELETE WHEN MATCHED THEN UPDATE"
    head = re.sub(r"WHEN\s+MATCHED\s+THEN\s+UPDATE", lambda _: branches, match[1], flags=re.IGNORECASE)
    return head + (match[4] or "")
