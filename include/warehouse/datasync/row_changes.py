"""What a merge changes, row by row: the old rows are read from the warehouse before it is changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.datasync.csv_records import CsvRecords, Record
from include.warehouse.target.port import Produce, TargetTable, WarehouseTarget

# Old rows are asked for so many at a time, and held in memory.
KEYS_A_QUESTION = 5_000

Key = tuple[str, ...]


class RowChange(NamedTuple):
    """Values are in the order of the table's columns. No `before`: inserted. No `after`: deleted."""

    before: Record | None
    after: Record | None

    def encoded(self) -> bytes:
        """A line of JSON."""
        return json.dumps([self.before, self.after], ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def decoded(cls, line: bytes) -> RowChange:
        before, after = json.loads(line)
        return cls(None if before is None else tuple(before), None if after is None else tuple(after))


def write_changes(
    table: TargetTable,
    target: WarehouseTarget,
    upserts: Produce,
    deleted_keys: Produce,
    write: Callable[[RowChange], object],
) -> None:
    """
    Pass on what a merge of `upserts` and `deleted_keys` will change. A row that stays as it is, is no change.

    Both producers write the same again when the merge asks them, because they read one snapshot of the source.
    """
    _MergedRows(table, target, write).read(upserts, deleted_keys)


class _MergedRows:
    def __init__(self, table: TargetTable, target: WarehouseTarget, write: Callable[[RowChange], object]) -> None:
        self._table, self._target, self._write = table, target, write
        places = {column.name: place for place, column in enumerate(table.columns)}
        self._key_places = [places[name] for name in table.key]
        self._upserted: set[Key] = set()

    def read(self, upserts: Produce, deleted_keys: Produce) -> None:
        _in_chunks(upserts, self._upsert)
        _in_chunks(deleted_keys, self._delete)

    def _upsert(self, rows: Sequence[Record]) -> None:
        old = {self._key(row): row for row in self._old([[row[place] for place in self._key_places] for row in rows])}
        for row in rows:
            key = self._key(row)
            before = old.get(key)
            self._upserted.add(key)
            if before is None or not self._is_same(before, row):
                self._write(RowChange(before, row))

    def _delete(self, keys: Sequence[Record]) -> None:
        for row in self._old(keys):
            if self._key(row) not in self._upserted:
                self._write(RowChange(row, None))

    def _old(self, keys: Sequence[Sequence[str | None]]) -> list[Record]:
        lines = b"".join(_line(self._table.key_columns, key) for key in keys)
        return self._target.rows_of_keys(self._table, lambda write: write(lines))  # type: ignore[arg-type]

    def _key(self, row: Record) -> Key:
        columns = self._table.columns
        return tuple(_canonical(columns[place], row[place]) or "" for place in self._key_places)

    def _is_same(self, before: Record, after: Record) -> bool:
        empty_is_null = self._target.limits.empty_is_null
        for column, old, new in zip(self._table.columns, before, after, strict=True):
            if empty_is_null and not old and not new:
                continue
            if _canonical(column, old) != _canonical(column, new):
                return False
        return True


def _canonical(column: MappedColumn, value: str | None) -> str | None:
    # Each writes the shortest digits that are the number, with an exponent of its own form.
    return repr(float(value)) if column.kind == "approximate" and value is not None else value


def _line(columns: Sequence[MappedColumn], values: Sequence[str | None]) -> bytes:
    return ",".join(map(_written, columns, values)).encode() + b"\n"


def _written(column: MappedColumn, value: str | None) -> str:
    if column.kind == "text":
        return '"' + (value or "").replace('"', '""') + '"'
    return value or '""'


def _in_chunks(produce: Produce, take: Callable[[Sequence[Record]], None]) -> None:
    records = CsvRecords()
    waiting: list[Record] = []

    def write(piece: bytes) -> None:
        waiting.extend(records.take(piece))
        while len(waiting) >= KEYS_A_QUESTION:
            take(waiting[:KEYS_A_QUESTION])
            del waiting[:KEYS_A_QUESTION]

    produce(write)
    if waiting:
        take(waiting)
