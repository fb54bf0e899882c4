"""What a table of a snapshot adds up to: rows, and per column the counts, sums, limits and lengths."""

from __future__ import annotations

from collections.abc import Sequence

from include.warehouse.column_types import digest
from include.warehouse.column_types.digest import ColumnDigest, Digest
from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.column_types.source_column import quoted
from include.warehouse.source.csv_rows import rejections
from include.warehouse.source.snapshot_transaction import SnapshotTransaction


def source_digest(snapshot: SnapshotTransaction, table: str, columns: Sequence[MappedColumn]) -> Digest:
    """Of the rows that no policy rejects; one scan of the table."""
    rejecting = rejections(columns)
    where = " WHERE " + " AND ".join(f"NOT {condition}" for condition in rejecting) if rejecting else ""
    selected = ", ".join(["COUNT(*)", *(part for column in columns for part in _parts(column))])
    values = iter(snapshot.row(f"SELECT {selected} FROM {quoted(table)}{where}"))
    rows = _number(next(values))
    digests = {column.name: _column_digest(column, [next(values) for _ in _parts(column)], rows) for column in columns}
    return Digest(rows, digests)


def _parts(column: MappedColumn) -> list[str]:
    value = column.value
    # Every function costs a tenth of the scan: nobody asks for what the declaration says.
    present = [f"COUNT({value})"] if column.nullable else []
    if column.kind in ("text", "binary"):
        # LENGTH, not a comparison with '': to most collations a space is an empty text.
        length = "CHAR_LENGTH" if column.kind == "text" else "LENGTH"
        return [f"COUNT(NULLIF(LENGTH({value}), 0))", f"SUM({length}({value}))", *present]
    summed = [f"SUM({value})"] if column.kind == "exact" else []
    return [f"MIN({value})", f"MAX({value})", *summed, *present]


def _column_digest(column: MappedColumn, taken: Sequence[bytes | None], rows: int) -> ColumnDigest:
    first, second, *more = (None if value is None else value.decode() for value in taken)
    present = int(more[-1] or 0) if column.nullable else rows
    if column.kind in ("text", "binary"):
        return ColumnDigest(present, filled=int(first or 0), characters=int(second or 0))
    if column.kind == "exact":
        return ColumnDigest(
            present, sum=digest.exact(more[0]), least=digest.exact(first), greatest=digest.exact(second)
        )
    canonical = digest.approximate if column.kind == "approximate" else digest.moment
    return ColumnDigest(present, least=canonical(first), greatest=canonical(second))


def _number(value: bytes | None) -> int:
    return int(value or 0)
