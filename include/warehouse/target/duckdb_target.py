"""
A warehouse of Parquet files and a DuckDB catalog in one folder.

    <folder>/warehouse.duckdb                                      the catalog, what readers open (duckdb_catalog.py)
    <folder>/tables/<table>/<installation>/<snapshot>-<random>.parquet   the rows of one snapshot
    <folder>/tables/<table>/<installation>/.lock                   held by the process that works on the table

A file has its name from the start and is nothing to readers until the catalog names it. Files are never changed: a
merge writes a new one. A file that the catalog no longer names stays for an hour, for readers that opened it before.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb

from include.common.atomic_files import fsync_file, fsync_folder
from include.warehouse.column_types.digest import Digest
from include.warehouse.column_types.mapped_column import DUCKDB_LIMITS, MappedColumn
from include.warehouse.errors import WarehouseRefused, WarehouseUnavailable
from include.warehouse.target.duckdb_catalog import CatalogChange, CatalogRow, DuckdbCatalog, current, name
from include.warehouse.target.duckdb_files import DuckdbFiles, ProducerFailed, parquet
from include.warehouse.target.duckdb_merge import are_empty, key_difference, rows_of_keys, write_merged
from include.warehouse.target.port import (
    KeyDifference,
    Merged,
    Produce,
    Publication,
    SnapshotRecord,
    Staged,
    TargetTable,
    TextRow,
)
from spool import failpoints
from spool.clock import Deadline
from spool.disk import Disk
from spool.durable_file import remove_leftovers
from spool.errors import LockTimeout
from spool.file_lock import FileLock

# Readers that opened the catalog before a file was superseded have this long to finish.
READERS_S = 3600.0
_LOCK_WAIT_S = 60.0
_TABLES, _SPILL = "tables", ".spill"
_MESSAGE_SHOWN = 200
# No load takes so long.
_SPILL_AGE_S = 7 * 24 * 3600.0

failpoints.declare("warehouse.duckdb.file_written", "warehouse.duckdb.published", "warehouse.duckdb.file_removed")


class _Key(NamedTuple):
    installation: str
    table: str


class DuckdbTarget:
    """See WarehouseTarget. `folder` is made where it is missing."""

    name = "duckdb"
    limits = DUCKDB_LIMITS

    def __init__(self, folder: Path, *, memory_mb: int = 512, threads: int = 2, readers_s: float = READERS_S) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._catalog = DuckdbCatalog(folder)
        self._files = DuckdbFiles(memory_mb=memory_mb, threads=threads, spill=folder / _SPILL)
        self._locks: dict[_Key, FileLock] = {}
        self._readers_s = readers_s

    def close(self) -> None:
        self._files.close()
        for lock in self._locks.values():
            lock.close()
        self._locks.clear()

    def load(self, table: TargetTable, snapshot: str, produce: Produce, *, longest_line: int = 0) -> Staged:
        self._lock(_Key(table.installation, table.name))
        return self._load(table, table.columns, snapshot, produce, longest_line)

    def digest(self, staged: Staged) -> Digest:
        with _explained(staged.table):
            return self._files.digest(self._folder / staged.place, staged.table.columns)

    def publish(self, publications: Sequence[Publication]) -> None:
        def change(catalog: CatalogChange) -> None:
            for publication in publications:
                catalog.put(publication.record, publication.staged.place)

        with _explained(", ".join(str(publication.staged.table) for publication in publications)):
            self._catalog.change(change)
        failpoints.reach("warehouse.duckdb.published")

    def merge(self, table: TargetTable, upserts: Produce, deleted_keys: Produce, record: SnapshotRecord) -> Merged:
        self._lock(_Key(table.installation, table.name))
        base = self._base(table, record.snapshot)
        changed = self._load(table, table.columns, record.snapshot, upserts, 0)
        deleted = self._load(table, table.key_columns, record.snapshot, deleted_keys, 0)
        staged = self._new(table, record.snapshot)
        base_file, changed_file, deleted_file, file = (
            self._folder / place for place in (base.place, changed.place, deleted.place, staged.place)
        )
        try:
            if are_empty(self._files, changed_file, deleted_file):
                # The position moves on; the rows stay where they are.
                self.publish([Publication(staged._replace(place=base.place), record._replace(rows=base.record.rows))])
                return Merged(base.record.rows, 0, 0)
            with self._whole(file), _explained(table):
                merged = write_merged(self._files, table, base_file, changed_file, deleted_file, file)
        finally:
            for temporary in (changed_file, deleted_file):
                temporary.unlink(missing_ok=True)
        self.publish([Publication(staged, record._replace(rows=merged.rows))])
        return merged

    def differing_keys(self, table: TargetTable, keys: Produce, *, limit: int) -> KeyDifference:
        self._lock(_Key(table.installation, table.name))
        row = self._demand_current(table)
        source = self._load(table, table.key_columns, row.record.snapshot, keys, 0)
        file = self._folder / source.place
        try:
            with _explained(table):
                return key_difference(self._files, table, file, self._folder / row.place, limit)
        finally:
            file.unlink(missing_ok=True)

    def rows_of_keys(self, table: TargetTable, keys: Produce) -> list[TextRow]:
        self._lock(_Key(table.installation, table.name))
        row = self._base(table, self._demand_current(table).record.snapshot)
        wanted = self._folder / self._load(table, table.key_columns, row.record.snapshot, keys, 0).place
        try:
            with _explained(table):
                return rows_of_keys(self._files, table, wanted, self._folder / row.place)
        finally:
            wanted.unlink(missing_ok=True)

    def current(self, installation: str, table: str) -> SnapshotRecord | None:
        row = self._row(_Key(installation, table))
        return row.record if row else None

    def history(self, installation: str, table: str) -> list[SnapshotRecord]:
        return [row.record for row in self._rows(_Key(installation, table))]

    def rows(self, installation: str, table: str, columns: Sequence[str]) -> Iterator[tuple[object, ...]]:
        row = self._row(_Key(installation, table))
        if row is not None:
            selected = ", ".join(map(name, columns))
            yield from self._files.stream(f"SELECT {selected} FROM {parquet(self._folder / row.place)}")

    def drop_expired(self, installation: str, table: str, keep: int) -> list[str]:
        kept = [record.snapshot for record in self.history(installation, table)]
        expired = kept[: -max(1, keep)]
        if expired:
            with _explained(f"{installation}/{table}"):
                self._catalog.change(lambda catalog: catalog.remove(installation, table, expired))
        return expired

    def prune_unfinished(self, installation: str, table: str) -> list[str]:
        """Also removes files that were superseded long enough ago."""
        self._lock(_Key(installation, table))
        folder = self._table_folder(_Key(installation, table))
        within = f"{folder.relative_to(self._folder)}/"
        superseded: dict[str, float] = {}

        def is_old(place: str) -> bool:
            return superseded[place] > self._readers_s

        def change(catalog: CatalogChange) -> None:
            superseded.update(catalog.superseded())
            catalog.forget([place for place in superseded if place.startswith(within) and is_old(place)])

        with _explained(f"{installation}/{table}"):
            self._catalog.change(change)
            named = {row.place for row in self._catalog.rows()}
            named |= {place for place in superseded if not is_old(place)}
            present = {str(path.relative_to(self._folder)) for path in folder.glob("*.p*")}
            removed = sorted(present - named)
            for place in removed:
                (self._folder / place).unlink(missing_ok=True)
                failpoints.reach("warehouse.duckdb.file_removed")
            self._remove_leftovers()
        return removed

    def _remove_leftovers(self) -> None:
        """Copies of the catalog and spilled memory of processes that died, when they are old enough."""
        remove_leftovers(Disk(), self._folder)
        for spilled in (self._folder / _SPILL).iterdir():
            if spilled.stat().st_mtime < time.time() - _SPILL_AGE_S:
                shutil.rmtree(spilled, ignore_errors=True)

    def _load(
        self, table: TargetTable, columns: Sequence[MappedColumn], snapshot: str, produce: Produce, longest_line: int
    ) -> Staged:
        """A file that no reader sees; it is removed again when anything goes wrong."""
        staged = self._new(table, snapshot)
        file = self._folder / staged.place
        own = {"installation": table.installation, "snapshot": snapshot}
        try:
            with self._whole(file), _explained(table):
                self._files.load(file, columns, produce, own, longest_line)
        except ProducerFailed as failed:
            raise failed.error from None
        return staged

    @contextmanager
    def _whole(self, file: Path) -> Iterator[None]:
        """The file is durable after the block, and gone if the block raises."""
        try:
            yield
            fsync_file(file)
            fsync_folder(file.parent)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        failpoints.reach("warehouse.duckdb.file_written")

    def _base(self, table: TargetTable, snapshot: str) -> CatalogRow:
        row = self._demand_current(table)
        if row.record.snapshot != snapshot:
            raise WarehouseRefused(
                f"{table}: the current snapshot is {row.record.snapshot}, not {snapshot}",
                hint="merge into the current one",
            )
        query = f"DESCRIBE FROM {parquet(self._folder / row.place)}"
        held = {column: kind for column, kind, *_ in self._files.rows(query)}
        expected = {column.name: column.duckdb for column in table.columns}
        if {column: held.get(column) for column in expected} != expected or len(held) != len(expected) + 2:
            raise WarehouseRefused(f"{table}: the columns are not those of the snapshot", hint="load a whole snapshot")
        return row

    def _demand_current(self, table: TargetTable) -> CatalogRow:
        row = self._row(_Key(table.installation, table.name))
        if row is None or not table.key:
            reason = "no primary key" if row else "no snapshot yet"
            raise WarehouseRefused(f"{table} has {reason}", hint="load a whole snapshot")
        return row

    def _row(self, key: _Key) -> CatalogRow | None:
        rows = current(self._rows(key))
        return rows[0] if rows else None

    def _rows(self, key: _Key) -> list[CatalogRow]:
        with _explained("/".join(key)):
            return [row for row in self._catalog.rows() if (row.record.installation, row.record.table) == key]

    def _table_folder(self, key: _Key) -> Path:
        return self._folder / _TABLES / key.table / key.installation

    def _new(self, table: TargetTable, snapshot: str) -> Staged:
        folder = self._table_folder(_Key(table.installation, table.name))
        place = folder / f"{snapshot}-{secrets.token_hex(4)}.parquet"
        return Staged(table, snapshot, str(place.relative_to(self._folder)))

    def _lock(self, key: _Key) -> None:
        """One process at a time works on a table; the lock is held until `close`."""
        if key in self._locks:
            return
        folder = self._table_folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", name="/".join(key))
        if not lock.acquire(Deadline.after(_LOCK_WAIT_S)):
            message = str(lock.timeout())
            lock.close()
            raise WarehouseUnavailable(
                message, hint="another run is at work on this table; try again when it has ended"
            )
        self._locks[key] = lock


@contextmanager
def _explained(what: object) -> Iterator[None]:
    """DuckDB's errors as ours. A file system that is full or away may be right again later; the rest is a defect."""
    try:
        yield
    except LockTimeout as error:
        raise WarehouseUnavailable(str(error), hint=error.hint) from error
    except (duckdb.IOException, OSError) as error:
        raise WarehouseUnavailable(f"{what}: {error}", hint="look at the disk of the warehouse's folder") from error
    except duckdb.OutOfMemoryException as error:
        raise WarehouseRefused(
            f"{what}: {_first_line(error)}", hint="raise target.memory_mb in config/warehouse.yml"
        ) from None
    except duckdb.Error as error:
        # The lines below the first quote rows.
        raise WarehouseRefused(f"{what}: {_first_line(error)}", hint="see docs/runbooks/warehouse.md") from None


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0][:_MESSAGE_SHOWN]
