"""
The catalog of a DuckDB warehouse: `warehouse.duckdb`, what readers open.

    snapshots                   one row for each snapshot that is kept, with the file that holds its rows
    superseded                  files that no row names any more, and since when
    snapshot_current.<table>    views on those files
    snapshot_history.<table>

A writer copies the catalog, changes the copy in one transaction, makes it durable and renames it over the catalog:
that rename is when a snapshot becomes visible. So no reader ever waits for a writer, none sees a half, and one that
has the catalog open keeps what it has until it opens it again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from include.common.atomic_files import fsync_file, fsync_folder
from include.warehouse.target.port import SnapshotRecord
from spool import failpoints
from spool.clock import Deadline
from spool.durable_file import temporary_beside
from spool.file_lock import locked

FILE_NAME = "warehouse.duckdb"
# Readers only read; the folder's owner writes.
_MODE = 0o644
_LOCK_WAIT_S = 120.0

failpoints.declare("warehouse.catalog.written", "warehouse.catalog.renamed")

_COLUMNS = (*SnapshotRecord._fields, "place")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS snapshots (
  installation VARCHAR NOT NULL, "table" VARCHAR NOT NULL, snapshot VARCHAR NOT NULL, taken_at VARCHAR NOT NULL,
  rows BIGINT NOT NULL, rejected BIGINT NOT NULL, gtid VARCHAR NOT NULL, watermark VARCHAR NOT NULL,
  schema_sha256 VARCHAR NOT NULL, place VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS superseded (place VARCHAR NOT NULL, since TIMESTAMPTZ NOT NULL);
CREATE SCHEMA IF NOT EXISTS snapshot_current;
CREATE SCHEMA IF NOT EXISTS snapshot_history;
"""


class CatalogRow(NamedTuple):
    """A snapshot and the file that holds its rows, relative to the warehouse's folder."""

    record: SnapshotRecord
    place: str


class DuckdbCatalog:
    """The catalog in `folder`. Nothing is kept open between two calls."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / FILE_NAME

    def rows(self) -> list[CatalogRow]:
        """All snapshots, by installation and table the oldest first."""
        if not self.path.exists():
            return []
        with self._copy() as copy, duckdb.connect(str(copy), read_only=True) as connection:
            return _rows(connection)

    def change(self, change: Callable[[CatalogChange], None]) -> None:
        """Let `change` work on a copy that replaces the catalog. Durable when it returns; OSError, duckdb.Error."""
        lock = self._folder / ".catalog.lock"
        with locked(lock, Deadline.after(_LOCK_WAIT_S), name="the catalog"), self._copy() as copy:
            with duckdb.connect(str(copy)) as connection:
                connection.execute(_SCHEMA)
                connection.begin()
                changing = CatalogChange(connection)
                change(changing)
                self._write_views(connection, changing.tables)
                connection.commit()
                connection.execute("CHECKPOINT")
            copy.chmod(_MODE)
            fsync_file(copy)
            failpoints.reach("warehouse.catalog.written")
            copy.rename(self.path)
            fsync_folder(self._folder)
            failpoints.reach("warehouse.catalog.renamed")

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        """For DuckDB keeps one instance a path in a process, which would go on showing a catalog that was replaced."""
        copy = temporary_beside(self.path)
        try:
            if self.path.exists():
                shutil.copyfile(self.path, copy)
            yield copy
        finally:
            copy.unlink(missing_ok=True)
            Path(f"{copy}.wal").unlink(missing_ok=True)

    def _write_views(self, connection: Any, tables: set[str]) -> None:
        rows = _rows(connection)
        for table in tables:
            kept = [row for row in rows if row.record.table == table]
            if not kept:
                connection.execute(f"DROP VIEW IF EXISTS snapshot_current.{name(table)}")
                connection.execute(f"DROP VIEW IF EXISTS snapshot_history.{name(table)}")
                continue
            connection.execute(_view("snapshot_history", table, "*", self._sources(kept)))
            connection.execute(_view("snapshot_current", table, "* EXCLUDE (snapshot)", self._sources(current(kept))))

    def _sources(self, rows: Iterable[CatalogRow]) -> str:
        places = ", ".join(literal(str(self._folder / row.place)) for row in rows)
        return f"read_parquet([{places}], union_by_name = true, hive_partitioning = false)"


class CatalogChange:
    """What may be changed, in one transaction. `tables` are those whose snapshots were."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.tables: set[str] = set()

    def put(self, record: SnapshotRecord, place: str) -> None:
        """Insert a snapshot, or replace the one of the same id."""
        self.remove(record.installation, record.table, [record.snapshot])
        marks = ", ".join("?" for _ in _COLUMNS)
        self._connection.execute(f"INSERT INTO snapshots VALUES ({marks})", [*record, place])

    def remove(self, installation: str, table: str, snapshots: list[str]) -> None:
        """Forget snapshots; their files are superseded from now on."""
        self.tables.add(table)
        which = 'FROM snapshots WHERE installation = ? AND "table" = ? AND snapshot IN (SELECT unnest(?::VARCHAR[]))'
        values = [installation, table, snapshots]
        self._connection.execute(f"INSERT INTO superseded SELECT place, now() {which}", values)
        self._connection.execute(f"DELETE {which}", values)

    def superseded(self) -> dict[str, float]:
        """Files that no snapshot names any more, and for how many seconds."""
        query = "SELECT place, epoch(now()) - epoch(since) FROM superseded"
        return dict(self._connection.execute(query).fetchall())

    def forget(self, places: list[str]) -> None:
        """Superseded files that are going to be deleted."""
        self._connection.execute("DELETE FROM superseded WHERE place IN (SELECT unnest(?::VARCHAR[]))", [places])


def current(rows: Iterable[CatalogRow]) -> list[CatalogRow]:
    """Of each installation and table the row with the greatest snapshot."""
    newest: dict[tuple[str, str], CatalogRow] = {}
    for row in sorted(rows, key=lambda row: row.record.snapshot):
        newest[row.record.installation, row.record.table] = row
    return list(newest.values())


def literal(text: str) -> str:
    """A text as a literal of DuckDB's SQL."""
    return "'" + text.replace("'", "''") + "'"


def name(identifier: str) -> str:
    """A name of a table or column, whatever it contains."""
    return '"' + identifier.replace('"', '""') + '"'


def _rows(connection: Any) -> list[CatalogRow]:
    selected = ", ".join(map(name, _COLUMNS))
    query = f'SELECT {selected} FROM snapshots ORDER BY installation, "table", snapshot'
    return [CatalogRow(SnapshotRecord(*values), place) for *values, place in connection.execute(query).fetchall()]


def _view(schema: str, view: str, selected: str, source: str) -> str:
    return f"CREATE OR REPLACE VIEW {schema}.{name(view)} AS SELECT {selected} FROM {source}"
