"""Rows of some keys, as they are in one snapshot of the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from include.warehouse.changes.key_values import Literal
from include.warehouse.column_types.csv_value import csv_expression
from include.warehouse.column_types.source_column import quoted
from include.warehouse.errors import WholeCopyNeeded
from include.warehouse.snapshot.table_plan import TablePlan
from include.warehouse.source.csv_rows import csv_rows, rejections
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.source.survey import declared_line_bytes
from include.warehouse.target.port import Produce, Write

KEYS_A_QUERY = 500
# A target reads lines of merges with its default of two megabytes.
MERGED_LINE_BYTES_MAX = 2 * 1024 * 1024 - 1

SqlKey = tuple[Literal, ...]


def rows_where(plan: TablePlan, source: SnapshotTransaction, where: str) -> Produce:
    """The rows for which `where` holds and no policy rejects. WholeCopyNeeded where a line is too long to merge."""
    longest = declared_line_bytes(plan.target.columns)
    forced = longest if longest <= MERGED_LINE_BYTES_MAX else 2**63
    produce = csv_rows(source, plan.shape.name, plan.target.columns, longest_line=forced, where=where)

    def bounded(write: Write) -> None:
        def write_bounded(lines: bytes) -> object:
            # Values come a line at a time, and only where a line may be so long.
            if forced != longest and len(lines) > MERGED_LINE_BYTES_MAX:
                raise WholeCopyNeeded(f"a changed row has more than {MERGED_LINE_BYTES_MAX:,} bytes")
            return write(lines)

        produce(write_bounded)

    return bounded


def rows_of_keys(plan: TablePlan, source: SnapshotTransaction, keys: Sequence[SqlKey]) -> Produce:
    """The rows that these keys have in the snapshot."""

    def produce(write: Write) -> None:
        for where in _conditions(plan, source, keys):
            rows_where(plan, source, where)(write)

    return produce


class Reselected(NamedTuple):
    """
    Keys as lines of CSV, sorted.

    present   as the rows have them that are in the snapshot and no policy rejects: each row once, however many of the
              keys that were asked for find it (by a collation, `anna` finds `Anna`)
    missing   those that were asked for and that no such row has in this form
    """

    present: tuple[bytes, ...]
    missing: tuple[bytes, ...]


def reselect_keys(plan: TablePlan, source: SnapshotTransaction, keys: Sequence[SqlKey]) -> Reselected:
    """Which of the keys are in the snapshot."""
    asked = {b",".join(literal.csv for literal in key) for key in keys}
    present = {line for where in _conditions(plan, source, keys) for line in key_lines(plan, source, where)}
    return Reselected(tuple(sorted(present)), tuple(sorted(asked - present)))


def key_lines(
    plan: TablePlan, source: SnapshotTransaction, where: str = "", *, rejected: bool = False
) -> Iterator[bytes]:
    """Keys in the snapshot as lines of CSV without their ends: of rows that are loaded, or of rejected ones."""
    expression = ", ',', ".join(csv_expression(column) for column in plan.target.key_columns)
    for rows in source.stream(
        f"SELECT CONCAT({expression}) FROM {quoted(plan.shape.name)}{_where(plan, where, rejected)}"
    ):
        for (line,) in rows:
            if line is None:
                raise WholeCopyNeeded("the server returned NULL for a key")
            yield line


def lines(keys: Sequence[bytes]) -> Produce:
    """Lines of CSV that are in memory."""

    def produce(write: Write) -> None:
        left = iter(keys)
        while some := list(islice(left, 10_000)):
            write(b"\n".join(some) + b"\n")

    return produce


def _where(plan: TablePlan, where: str, rejected: bool) -> str:
    rejecting = rejections(plan.target.columns)
    any_rejects = " OR ".join(rejecting) if rejecting else "0"
    conditions = [f"({any_rejects})" if rejected else f"NOT ({any_rejects})", *([f"({where})"] if where else [])]
    return " WHERE " + " AND ".join(conditions)


def _conditions(plan: TablePlan, source: SnapshotTransaction, keys: Sequence[SqlKey]) -> Iterator[str]:
    columns = [quoted(name) for name in plan.shape.key]
    for first in range(0, len(keys), KEYS_A_QUERY):
        some = keys[first : first + KEYS_A_QUERY]
        if len(columns) == 1:
            yield f"{columns[0]} IN ({', '.join(_sql(source, literal) for (literal,) in some)})"
        else:
            # An OR of ANDs is read by the index; a list of rows may not be.
            yield " OR ".join(f"({_equal(source, columns, key)})" for key in some)


def _equal(source: SnapshotTransaction, columns: Sequence[str], key: SqlKey) -> str:
    return " AND ".join(f"{column} = {_sql(source, literal)}" for column, literal in zip(columns, key, strict=True))


def _sql(source: SnapshotTransaction, literal: Literal) -> str:
    return literal.bare if literal.text is None else source.literal(literal.text)
