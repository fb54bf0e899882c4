"""Changes applied to a snapshot's file: a new file from the old one, the changed rows and the deleted keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.target.duckdb_catalog import name
from include.warehouse.target.duckdb_files import DuckdbFiles, parquet
from include.warehouse.target.port import KeyDifference, Merged, TargetTable, TextRow


def write_merged(
    files: DuckdbFiles, table: TargetTable, base: Path, changed: Path, deleted: Path, merged: Path
) -> Merged:
    """Write `merged`: rows of `base` whose key is in neither of the others, and all rows of `changed`."""
    before, after, gone = parquet(base), parquet(changed), parquet(deleted)
    key = " AND ".join(f"b.{name(column)} = o.{name(column)}" for column in table.key)
    stays = f"FROM {before} b WHERE NOT EXISTS (FROM {after} o WHERE {key})"
    files.write(merged, f"SELECT * {stays} AND NOT EXISTS (FROM {gone} o WHERE {key}) UNION ALL BY NAME FROM {after}")
    counted = (
        f"SELECT count(*) FROM {parquet(merged)}",
        f"SELECT count(*) FROM {after}",
        f"SELECT count(*) {stays} AND EXISTS (FROM {gone} o WHERE {key})",
    )
    return Merged(*(int(files.row(query)[0]) for query in counted))


def are_empty(files: DuckdbFiles, *paths: Path) -> bool:
    """Whether none of the files has a row."""
    return not any(files.row(f"SELECT count(*) FROM {parquet(path)}")[0] for path in paths)


def rows_of_keys(files: DuckdbFiles, table: TargetTable, keys: Path, current: Path) -> list[TextRow]:
    """Rows of `current` whose key is in the file `keys`, as texts."""
    values = ", ".join(_as_text(column) for column in table.columns)
    same = " AND ".join(f"b.{name(column)} = k.{name(column)}" for column in table.key)
    query = f"SELECT {values} FROM {parquet(current)} b WHERE EXISTS (FROM {parquet(keys)} k WHERE {same})"
    return files.rows(query)


def key_difference(files: DuckdbFiles, table: TargetTable, source: Path, target: Path, limit: int) -> KeyDifference:
    """Keys that are in one of two files only; the files have the key's columns in any order."""
    key = ", ".join(name(column) for column in table.key)
    here, there = (f"SELECT {key} FROM {parquet(file)}" for file in (source, target))
    lines = [
        _lines(files, table.key_columns, f"{first} EXCEPT {second}", limit)
        for first, second in ((here, there), (there, here))
    ]
    (source_count, source_lines), (target_count, target_lines) = lines
    return KeyDifference(source_lines, target_lines, source_count, target_count)


def _lines(
    files: DuckdbFiles, columns: Sequence[MappedColumn], query: str, limit: int
) -> tuple[int, tuple[bytes, ...]]:
    # In the form in which the source writes a key, so that it can be asked for it.
    parts = ", ',', ".join(map(_as_csv, columns))
    (count,) = files.row(f"SELECT count(*) FROM ({query})")
    lines = files.rows(f"SELECT concat({parts}) AS line FROM ({query}) ORDER BY line LIMIT {int(limit)}")
    return int(count), tuple(line.encode() for (line,) in lines)


def _as_csv(column: MappedColumn) -> str:
    value = name(column.name)
    if column.kind == "text":
        return f"""'"' || replace({value}::VARCHAR, '"', '""') || '"'"""
    if column.kind == "binary":
        return f"""CASE WHEN octet_length({value}) = 0 THEN '""' ELSE hex({value}) END"""
    return f"{value}::UTINYINT" if column.duckdb == "BOOLEAN" else f"{value}::VARCHAR"


def _as_text(column: MappedColumn) -> str:
    value = f"b.{name(column.name)}"
    if column.kind == "binary":
        return f"hex({value})"
    if column.kind == "approximate":
        return f"{value}::DOUBLE::VARCHAR"
    if column.fraction:
        return f"left(strftime({value}, '%Y-%m-%d %H:%M:%S.%f'), {20 + column.fraction})"
    return f"{value}::UTINYINT::VARCHAR" if column.duckdb == "BOOLEAN" else f"{value}::VARCHAR"
