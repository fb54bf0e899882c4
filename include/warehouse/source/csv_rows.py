"""
Rows of a snapshot as CSV (target/port.py says which).

    lines    the server formats whole lines and the bytes are passed on: three times faster than values
    values   where a line could exceed max_allowed_packet, above which functions of the server return NULL, the server
             sends each value by itself, which has no such limit, and the line is put together here
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from include.warehouse.column_types.csv_value import csv_bytes, csv_expression
from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.column_types.source_column import quoted
from include.warehouse.errors import SnapshotDiffers
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.target.port import Produce, Write

Count = Callable[[int], object]
"""Called with the number of rows that were just written."""


def csv_rows(
    snapshot: SnapshotTransaction,
    table: str,
    columns: Sequence[MappedColumn],
    *,
    longest_line: int,
    where: str = "",
    count: Count = lambda rows: None,
) -> Produce:
    """
    Writes the rows of `table` for which `where` holds, all without one, except those that a policy rejects.

    longest_line: what the survey says; decides between lines and values.
    """
    conditions = [f"NOT {rejected}" for rejected in rejections(columns)] + ([f"({where})"] if where else [])
    source = f"FROM {quoted(table)}" + (f" WHERE {' AND '.join(conditions)}" if conditions else "")

    def produce(write: Write) -> None:
        (packet,) = snapshot.row("SELECT @@max_allowed_packet")
        if longest_line < int(packet or 0):
            _write_lines(snapshot, f"SELECT {line_expression(columns)} {source}", write, count)
        else:
            values = ", ".join(column.value for column in columns)
            _write_values(snapshot, f"SELECT {values} {source}", columns, write, count)

    return produce


def rejections(columns: Sequence[MappedColumn]) -> list[str]:
    """The conditions under which a policy rejects a row."""
    return [f"({column.rejected_if})" for column in columns if column.rejected_if]


def line_expression(columns: Sequence[MappedColumn]) -> str:
    """MariaDB expression of a whole line, its end included."""
    values = ", ',', ".join(csv_expression(column) for column in columns)
    return f"CONCAT({values}, '\\n')"


def _write_lines(snapshot: SnapshotTransaction, sql: str, write: Write, count: Count) -> None:
    for rows in snapshot.stream(sql):
        lines = [line for (line,) in rows if line is not None]
        if len(lines) < len(rows):
            # No line is longer than the sums of the same snapshot allow: the server did not do as asked.
            raise SnapshotDiffers("the server returned NULL for a line of CSV")
        write(b"".join(lines))
        count(len(rows))


def _write_values(
    snapshot: SnapshotTransaction, sql: str, columns: Sequence[MappedColumn], write: Write, count: Count
) -> None:
    for rows in snapshot.stream(sql):
        for row in rows:
            write(b",".join(map(csv_bytes, columns, row)) + b"\n")
        count(len(rows))
