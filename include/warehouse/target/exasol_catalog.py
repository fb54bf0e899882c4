"""
The records of an Exasol warehouse, and the views that readers use.

    <schema>.SNAPSHOTS              one row for each snapshot that is kept, with the table that holds its rows
    SNAPSHOT_CURRENT.<TABLE>        views on those tables
    SNAPSHOT_HISTORY.<TABLE>

Definitions are part of a transaction in Exasol: record and view change together, or neither does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.target.exasol_session import ExasolSession
from include.warehouse.target.exasol_sql import cast, column_name, common_type, folded, literal, name
from include.warehouse.target.port import SnapshotRecord

CURRENT, HISTORY = "SNAPSHOT_CURRENT", "SNAPSHOT_HISTORY"
_COLUMNS = (
    "INSTALLATION", "TABLE_NAME", "SNAPSHOT", "TAKEN_AT", "ROW_COUNT", "REJECTED", "GTID", "WATERMARK",
    "SCHEMA_SHA256", "PLACE", "COLUMN_TYPES",
)  # fmt: skip
_DEFINITIONS = (
    "INSTALLATION VARCHAR(48), TABLE_NAME VARCHAR(48), SNAPSHOT VARCHAR(32), TAKEN_AT VARCHAR(32), "
    "ROW_COUNT DECIMAL(18,0), REJECTED DECIMAL(18,0), GTID VARCHAR(100000), WATERMARK VARCHAR(100000), "
    "SCHEMA_SHA256 VARCHAR(64), PLACE VARCHAR(128), COLUMN_TYPES VARCHAR(2000000)"
)


class ExasolRow(NamedTuple):
    """A snapshot, the table that holds its rows, and that table's columns: folded names and types in their order."""

    record: SnapshotRecord
    place: str
    columns: tuple[tuple[str, str], ...]


def columns_of(columns: Sequence[MappedColumn]) -> tuple[tuple[str, str], ...]:
    """As ExasolRow has them."""
    return tuple((column_name(column), column.exasol) for column in columns)


class ExasolCatalog:
    """`schema` is a folded name. Statements are part of the session's transaction where one is open."""

    def __init__(self, session: ExasolSession, schema: str) -> None:
        self._session, self._schema = session, schema
        self._snapshots = name(schema, "SNAPSHOTS")

    def create(self) -> None:
        """Schemas and table of records where they are missing."""
        for schema in (CURRENT, HISTORY, self._schema):
            self._session.query(f"CREATE SCHEMA IF NOT EXISTS {name(schema)}")
        self._session.query(f"CREATE TABLE IF NOT EXISTS {self._snapshots} ({_DEFINITIONS})")

    def rows(self, table: str, installation: str = "") -> list[ExasolRow]:
        """Snapshots of a table, of all installations or of one, by installation the oldest first."""
        of_installation = f" AND INSTALLATION = {literal(installation)}" if installation else ""
        selected = self._session.query(
            f"SELECT {', '.join(_COLUMNS)} FROM {self._snapshots} WHERE TABLE_NAME = {literal(table)}{of_installation} "
            "ORDER BY INSTALLATION, SNAPSHOT"
        )
        return [_row(values) for values in selected]

    def put(self, record: SnapshotRecord, place: str, columns: Sequence[tuple[str, str]]) -> None:
        """Insert a snapshot, or replace the one of the same id."""
        self.remove(record.installation, record.table, [record.snapshot])
        texts = [str(value) for value in (*record, place, json.dumps(columns))]
        values = ", ".join(literal(text) for text in texts)
        self._session.query(f"INSERT INTO {self._snapshots} ({', '.join(_COLUMNS)}) VALUES ({values})")

    def remove(self, installation: str, table: str, snapshots: Sequence[str]) -> None:
        """Forget snapshots; their tables stay."""
        listed = ", ".join(map(literal, snapshots))
        self._session.query(
            f"DELETE FROM {self._snapshots} WHERE INSTALLATION = {literal(installation)} "
            f"AND TABLE_NAME = {literal(table)} AND SNAPSHOT IN ({listed})"
        )

    def write_views(self, table: str) -> None:
        """The views of a table after its snapshots; it has at least one."""
        rows = self.rows(table)
        newest = {row.record.installation: row for row in rows}
        self._write_view(CURRENT, table, list(newest.values()), with_snapshot=False)
        self._write_view(HISTORY, table, rows, with_snapshot=True)

    def _write_view(self, schema: str, table: str, rows: Sequence[ExasolRow], *, with_snapshot: bool) -> None:
        kinds: dict[str, list[str]] = {}
        for row in rows:
            for column, kind in row.columns:
                kinds.setdefault(column, []).append(kind)
        united = {column: common_type(types) for column, types in kinds.items()}
        selects = [self._select(row, united, with_snapshot=with_snapshot) for row in rows]
        view = name(schema, folded(table))
        self._session.query(f"CREATE OR REPLACE VIEW {view} AS {' UNION ALL '.join(selects)}")

    def _select(self, row: ExasolRow, united: dict[str, str], *, with_snapshot: bool) -> str:
        selected = [f"{cast(literal(row.record.installation), 'VARCHAR(48)')} AS INSTALLATION"]
        if with_snapshot:
            selected.append(f"{cast(literal(row.record.snapshot), 'VARCHAR(32)')} AS SNAPSHOT")
        held = dict(row.columns)
        for column, kind in united.items():
            value = name(column) if held.get(column) == kind else cast(name(column) if column in held else "NULL", kind)
            selected.append(f"{value} AS {name(column)}")
        return f"SELECT {', '.join(selected)} FROM {name(self._schema, row.place)}"


def _row(values: Sequence[object]) -> ExasolRow:
    # An empty text comes back as NULL.
    *texts, place, columns = ["" if value is None else str(value) for value in values]
    installation, table, snapshot, taken_at, rows, rejected, gtid, watermark, schema_sha256 = texts
    record = SnapshotRecord(
        installation, table, snapshot, taken_at, int(rows), int(rejected), gtid, watermark, schema_sha256
    )
    return ExasolRow(record, place, tuple((column, kind) for column, kind in json.loads(columns)))
