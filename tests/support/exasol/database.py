"""A session's DuckDB cursor, its transaction and its schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from tests.support.exasol.data_types import of_duckdb
from tests.support.exasol.errors import ROLLED_BACK, ExasolError
from tests.support.exasol.faults import Fault, Faults
from tests.support.exasol.sql_text import literal, parts, quoted


class Database:
    """Used by one thread at a time; `interrupt` by any."""

    def __init__(self, shared: duckdb.DuckDBPyConnection, faults: Faults) -> None:
        self._cursor = shared.cursor()
        self._faults = faults
        self.autocommit = True
        self.in_transaction = False
        self.schema = ""

    def execute(self, sql: str, values: Sequence[object] | None = None) -> Any:
        return self._cursor.execute(sql) if values is None else self._cursor.execute(sql, list(values))

    def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        self._cursor.executemany(sql, rows)

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self.execute(sql, values).fetchall()

    def interrupt(self) -> None:
        self._cursor.interrupt()

    def begin(self) -> None:
        """Before each statement: a transaction, unless each statement is one."""
        if not self.autocommit and not self.in_transaction:
            self._cursor.execute("BEGIN")
            self.in_transaction = True
        if self.in_transaction and self._faults.strikes(Fault.ROLLED_BACK):
            self.rollback()
            raise ExasolError(ROLLED_BACK, "GlobalTransactionRollback msg: Transaction collision: automatic rollback.")

    def commit(self) -> None:
        if self.in_transaction:
            if self._faults.strikes(Fault.ROLLED_BACK):
                self.rollback()
                raise ExasolError(ROLLED_BACK, "GlobalTransactionRollback msg: Transaction collision.")
            self.in_transaction = False
            self._cursor.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.in_transaction = False
            self._cursor.execute("ROLLBACK")

    def after_error(self) -> None:
        """Exasol undoes the statement; DuckDB has ended the transaction, which is all that can be undone here."""
        if not self.in_transaction:
            return
        try:
            self._cursor.execute("SELECT 1")
        except duckdb.Error:
            self.rollback()

    def set_autocommit(self, wanted: bool) -> None:
        if wanted and self.in_transaction:
            self.commit()
        self.autocommit = wanted

    def open_schema(self, name: str) -> None:
        known = "SELECT 1 FROM duckdb_schemas() WHERE schema_name = ? AND database_name = current_database()"
        if not self.rows(known, [name]):
            raise ExasolError("42000", f"schema {name} not found")
        self.schema = name
        self.execute(f"SET schema = {literal(quoted(name))}")

    def full_name(self, name: str) -> str:
        """With its schema, quoted."""
        return ".".join(map(quoted, self.located(name)))

    def located(self, name: str) -> list[str]:
        found = parts(name)
        return [self.schema, *found] if len(found) == 1 and self.schema else found

    def columns(self, schema: str, table: str) -> list[tuple[str, str]]:
        """Names and Exasol's types; the declared ones where the table was created with them."""
        query = (
            "SELECT column_name, comment, data_type FROM duckdb_columns() "
            "WHERE schema_name = ? AND table_name = ? ORDER BY column_index"
        )
        found = self.rows(query, [schema, table])
        return [(name, comment or of_duckdb(kind)) for name, comment, kind in found]

    def close(self) -> None:
        try:
            self.rollback()
        finally:
            self._cursor.close()
