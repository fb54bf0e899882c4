"""What a table of a snapshot adds up to: rows, and per column the counts, sums, limits and lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from include.warehouse.column_types import digest
from include.warehouse.column_types.digest import ColumnDigest, Digest
from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.column_types.source_column import quoted
from include.warehouse.source.csv_rows import rejections
from include.warehouse.source.snapshot_transaction import SnapshotTransaction, Values

# A number or a moment and the comma; the longest are a DOUBLE, a DECIMAL of 65 digits and a TIMESTAMP.
_BARE_BYTES = 72


class SourceDigest(NamedTuple):
    """
    digest         of the rows that are to be loaded
    rejected       rows that a policy rejects; with `digest.rows` all rows of the table
    rejected_by    rows that a column rejects, by its name; a row may be rejected by several
    replaced_by    values that a policy replaced, by the column's name
    longest_line   no line of CSV has more bytes
    """

    digest: Digest
    rejected: int
    rejected_by: Mapping[str, int]
    replaced_by: Mapping[str, int]
    longest_line: int


def source_digest(snapshot: SnapshotTransaction, table: str, columns: Sequence[MappedColumn]) -> SourceDigest:
    """One scan of the table, and a second one where a policy may reject rows."""
    rejecting = rejections(columns)
    where = " WHERE " + " AND ".join(f"NOT {condition}" for condition in rejecting) if rejecting else ""
    parts = [part for column in columns for part in _parts(column)]
    selected = ", ".join(["COUNT(*)", *parts])
    values = iter(snapshot.row(f"SELECT {selected} FROM {quoted(table)}{where}"))
    rows = _number(next(values))
    digests: dict[str, ColumnDigest] = {}
    replaced: dict[str, int] = {}
    longest = 1
    for column in columns:
        taken = [next(values) for _ in _parts(column)]
        if column.replaced_if and (count := _number(taken.pop())):
            replaced[column.name] = count
        digests[column.name] = _column_digest(column, taken)
        longest += 2 * _number(taken[3]) + 3 if column.kind in ("text", "binary") else _BARE_BYTES
    rejected, rejected_by = _rejected(snapshot, table, columns) if rejecting else (0, {})
    return SourceDigest(Digest(rows, digests), rejected, rejected_by, replaced, longest)


def _parts(column: MappedColumn) -> list[str]:
    value = column.value
    replaced = [f"SUM({column.replaced_if})"] if column.replaced_if else []
    if column.kind in ("text", "binary"):
        # LENGTH, not a comparison with '': to most collations a space is an empty text.
        length = "CHAR_LENGTH" if column.kind == "text" else "LENGTH"
        return [
            f"COUNT({value})", f"SUM(LENGTH({value}) > 0)", f"SUM({length}({value}))", f"MAX(LENGTH({value}))",
            *replaced,
        ]  # fmt: skip
    summed = [f"SUM({value})"] if column.kind == "exact" else []
    return [f"COUNT({value})", *summed, f"MIN({value})", f"MAX({value})", *replaced]


def _column_digest(column: MappedColumn, taken: Sequence[bytes | None]) -> ColumnDigest:
    texts = [None if value is None else value.decode() for value in taken]
    present = _number(taken[0])
    if column.kind in ("text", "binary"):
        return ColumnDigest(present, filled=_number(taken[1]), characters=_number(taken[2]))
    if column.kind == "exact":
        _, total, least, greatest = texts
        return ColumnDigest(
            present, sum=digest.exact(total), least=digest.exact(least), greatest=digest.exact(greatest)
        )
    canonical = digest.approximate if column.kind == "approximate" else digest.moment
    _, least, greatest = texts
    return ColumnDigest(present, least=canonical(least), greatest=canonical(greatest))


def _rejected(snapshot: SnapshotTransaction, table: str, columns: Sequence[MappedColumn]) -> tuple[int, dict[str, int]]:
    rejecting = [column for column in columns if column.rejected_if]
    conditions = [f"({column.rejected_if})" for column in rejecting]
    sums = ", ".join(f"SUM({condition})" for condition in [f"({' OR '.join(conditions)})", *conditions])
    row: Values = snapshot.row(f"SELECT {sums} FROM {quoted(table)}")
    total, *each = map(_number, row)
    return total, {column.name: count for column, count in zip(rejecting, each, strict=True) if count}


def _number(value: bytes | None) -> int:
    return int(value or 0)
