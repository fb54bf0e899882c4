"""
A warehouse in Exasol.

    <schema>."<table>/<installation>/<snapshot>/<random>"   the rows of one snapshot
    <schema>.SNAPSHOTS and the views                       exasol_catalog.py

A table has its name from the start and is nothing to readers until a record names it. The bytes of the CSV go as they
are into one IMPORT, which is all or nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from include.warehouse.column_types.digest import Digest
from include.warehouse.column_types.mapped_column import EXASOL_LIMITS, MappedColumn
from include.warehouse.errors import WarehouseRefused
from include.warehouse.target.exasol_catalog import ExasolCatalog, ExasolRow, columns_of
from include.warehouse.target.exasol_digest import table_digest
from include.warehouse.target.exasol_session import Connect, ExasolSession
from include.warehouse.target.exasol_sql import (
    column_name,
    csv_value,
    definition,
    folded,
    literal,
    name,
    same_key,
    text_value,
)
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
from spool.errors import SpoolError


class ExasolTarget:
    """See WarehouseTarget. The account must be able to create schemas, tables and views."""

    name = "exasol"
    limits = EXASOL_LIMITS

    def __init__(self, connect: Connect, *, schema: str) -> None:
        self._session = ExasolSession(connect)
        self._schema = folded(schema)
        self._known: ExasolCatalog | None = None

    @property
    def _catalog(self) -> ExasolCatalog:
        if self._known is None:
            catalog = ExasolCatalog(self._session, self._schema)
            self._session.transaction(catalog.create)
            self._known = catalog
        return self._known

    def close(self) -> None:
        self._session.close()

    def load(self, table: TargetTable, snapshot: str, produce: Produce, *, longest_line: int = 0) -> Staged:
        return self._load(table, table.columns, snapshot, produce)

    def digest(self, staged: Staged) -> Digest:
        return table_digest(self._session.query, self._place(staged.place), staged.table.columns)

    def publish(self, publications: Sequence[Publication]) -> None:
        catalog = self._catalog

        def change() -> None:
            for staged, record in publications:
                catalog.put(record, staged.place, columns_of(staged.table.columns))
            for table in sorted({record.table for _, record in publications}):
                catalog.write_views(table)

        self._session.transaction(change)

    def merge(self, table: TargetTable, upserts: Produce, deleted_keys: Produce, record: SnapshotRecord) -> Merged:
        """
        Rows of changed keys are deleted and inserted, not merged: only so an empty text in a key, NULL in Exasol,
        is compared as one.
        """
        base = self._base(table, record.snapshot)
        with (
            self._temporary(table, table.columns, record.snapshot, upserts) as changed,
            self._temporary(table, table.key_columns, record.snapshot, deleted_keys) as deleted,
        ):
            return self._session.transaction(lambda: self._change(table, base, changed, deleted, record))

    def differing_keys(self, table: TargetTable, keys: Produce, *, limit: int) -> KeyDifference:
        row = self._demand_current(table)
        key = ", ".join(name(column_name(column)) for column in table.key_columns)
        with self._temporary(table, table.key_columns, row.record.snapshot, keys) as source:
            here, there = (f"SELECT {key} FROM {place}" for place in (source, self._place(row.place)))
            source_count, source_lines = self._lines(table, f"{here} EXCEPT {there}", limit)
            target_count, target_lines = self._lines(table, f"{there} EXCEPT {here}", limit)
        return KeyDifference(source_lines, target_lines, source_count, target_count)

    def rows_of_keys(self, table: TargetTable, keys: Produce) -> list[TextRow]:
        row = self._base(table, self._demand_current(table).record.snapshot)
        columns = ", ".join(f"t.{name(column_name(column))}" for column in table.columns)
        with self._temporary(table, table.key_columns, row.record.snapshot, keys) as wanted:
            exists = f"EXISTS (SELECT 1 FROM {wanted} s WHERE {same_key(table.key_columns, 't', 's')})"
            selected = self._session.query(f"SELECT {columns} FROM {self._place(row.place)} t WHERE {exists}")
            return [tuple(map(text_value, table.columns, values)) for values in selected]

    def current(self, installation: str, table: str) -> SnapshotRecord | None:
        row = self._current(installation, table)
        return row.record if row else None

    def history(self, installation: str, table: str) -> list[SnapshotRecord]:
        return [row.record for row in self._catalog.rows(table, installation)]

    def rows(self, installation: str, table: str, columns: Sequence[str]) -> Iterator[tuple[object, ...]]:
        row = self._current(installation, table)
        if row is not None:
            selected = ", ".join(name(folded(column)) for column in columns)
            yield from self._session.query(f"SELECT {selected} FROM {self._place(row.place)}")

    def drop_expired(self, installation: str, table: str, keep: int) -> list[str]:
        catalog = self._catalog
        expired = catalog.rows(table, installation)[: -max(1, keep)]
        snapshots = [row.record.snapshot for row in expired]

        def change() -> None:
            catalog.remove(installation, table, snapshots)
            catalog.write_views(table)

        if expired:
            self._session.transaction(change)
            self._drop([row.place for row in expired])
        return snapshots

    def prune_unfinished(self, installation: str, table: str) -> list[str]:
        """Also drops tables whose snapshot was replaced."""
        prefix = _prefix(installation, table)
        named = {row.place for row in self._catalog.rows(table, installation)}
        present = self._session.query(
            "/*snapshot execution*/ SELECT TABLE_NAME FROM SYS.EXA_ALL_TABLES "
            f"WHERE TABLE_SCHEMA = {literal(self._schema)} AND SUBSTR(TABLE_NAME, 1, {len(prefix)}) = {literal(prefix)}"
        )
        unfinished = sorted({str(place) for (place,) in present} - named)
        self._drop(unfinished)
        return unfinished

    def _load(self, table: TargetTable, columns: Sequence[MappedColumn], snapshot: str, produce: Produce) -> Staged:
        """A table that no reader sees; it is dropped again when anything goes wrong."""
        assert self._catalog
        place = f"{_prefix(table.installation, table.name)}{snapshot}/{secrets.token_hex(4)}"
        defined = ", ".join(map(definition, columns))
        self._session.transaction(lambda: self._session.query(f"CREATE TABLE {self._place(place)} ({defined})"))
        try:
            self._session.load((self._schema, place), [column_name(column) for column in columns], produce)
        except BaseException:
            self._abandon(place)
            raise
        return Staged(table, snapshot, place)

    @contextmanager
    def _temporary(
        self, table: TargetTable, columns: Sequence[MappedColumn], snapshot: str, produce: Produce
    ) -> Iterator[str]:
        """The quoted name of a table of these rows, which is dropped after the block."""
        staged = self._load(table, columns, snapshot, produce)
        try:
            yield self._place(staged.place)
        finally:
            self._abandon(staged.place)

    def _change(
        self, table: TargetTable, base: ExasolRow, changed: str, deleted: str, record: SnapshotRecord
    ) -> Merged:
        query, place = self._session.query, self._place(base.place)
        same = same_key(table.key_columns, "t", "s")
        is_changed = f"EXISTS (SELECT 1 FROM {changed} s WHERE {same})"
        is_deleted = f"EXISTS (SELECT 1 FROM {deleted} s WHERE {same})"
        ((gone,),) = query(f"SELECT COUNT(*) FROM {place} t WHERE {is_deleted} AND NOT {is_changed}")
        ((upserted,),) = query(f"SELECT COUNT(*) FROM {changed}")
        query(f"DELETE FROM {place} AS t WHERE {is_deleted}")
        query(f"DELETE FROM {place} AS t WHERE {is_changed}")
        columns = ", ".join(name(column_name(column)) for column in table.columns)
        query(f"INSERT INTO {place} ({columns}) SELECT {columns} FROM {changed}")
        ((rows,),) = query(f"SELECT COUNT(*) FROM {place}")
        self._catalog.put(record._replace(rows=int(rows)), base.place, base.columns)
        return Merged(int(rows), int(upserted), int(gone))

    def _lines(self, table: TargetTable, keys: str, limit: int) -> tuple[int, tuple[bytes, ...]]:
        ((count,),) = self._session.query(f"SELECT COUNT(*) FROM ({keys})")
        order = ", ".join(str(number + 1) for number in range(len(table.key)))
        selected = self._session.query(f"SELECT * FROM ({keys}) ORDER BY {order} LIMIT {int(limit)}")
        lines = [",".join(map(csv_value, table.key_columns, values)).encode() for values in selected]
        return int(count), tuple(sorted(lines))

    def _base(self, table: TargetTable, snapshot: str) -> ExasolRow:
        row = self._demand_current(table)
        if row.record.snapshot != snapshot:
            raise WarehouseRefused(
                f"{table}: the current snapshot is {row.record.snapshot}, not {snapshot}",
                hint="merge into the current one",
            )
        if row.columns != columns_of(table.columns):
            raise WarehouseRefused(f"{table}: the columns are not those of the snapshot", hint="load a whole snapshot")
        return row

    def _demand_current(self, table: TargetTable) -> ExasolRow:
        row = self._current(table.installation, table.name)
        if row is None or not table.key:
            reason = "no primary key" if row else "no snapshot yet"
            raise WarehouseRefused(f"{table} has {reason}", hint="load a whole snapshot")
        return row

    def _current(self, installation: str, table: str) -> ExasolRow | None:
        rows = self._catalog.rows(table, installation)
        return rows[-1] if rows else None

    def _drop(self, places: Sequence[str]) -> None:
        for place in places:
            self._session.transaction(lambda place=place: self._session.query(f"DROP TABLE {self._place(place)}"))  # type: ignore[misc]

    def _abandon(self, place: str) -> None:
        """Drop what no record names; where that fails too, `prune_unfinished` of the next run does it."""
        with suppress(SpoolError):
            self._drop([place])

    def _place(self, place: str) -> str:
        return name(self._schema, place)


def _prefix(installation: str, table: str) -> str:
    """Of tables of one installation and table; no identifier has a `/`."""
    return f"{table}/{installation}/"
