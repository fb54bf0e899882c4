"""What a merge of changes did, and the parts of it that all modes share."""

from __future__ import annotations

import time
from dataclasses import dataclass

from include.warehouse.column_types.source_column import quoted
from include.warehouse.errors import TableRefused, WholeCopyNeeded
from include.warehouse.snapshot.table_plan import TablePlan
from include.warehouse.source.csv_rows import rejections
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.target.port import Merged, SnapshotRecord, WarehouseTarget


@dataclass(frozen=True)
class TableChanged:
    """
    One table after a merge.

    snapshot            the current one, into which the changes went
    rows, rejected      of the table now
    upserted, deleted   rows that were inserted or replaced, and removed
    """

    installation: str
    table: str
    snapshot: str
    taken_at: str
    gtid: str
    rows: int
    rejected: int
    upserted: int
    deleted: int
    seconds: float


def base_of(target: WarehouseTarget, installation: str, table: str) -> SnapshotRecord:
    """The record that changes go into. WholeCopyNeeded if there is none yet."""
    base = target.current(installation, table)
    if base is None:
        raise WholeCopyNeeded("there is no snapshot yet")
    return base


def demand_same_shape(plan: TablePlan, base: SnapshotRecord) -> None:
    """TableRefused for a table without a key; WholeCopyNeeded where it was altered since its snapshot."""
    if not plan.shape.key:
        raise TableRefused(
            f"{plan.target} has no primary key, so its changes cannot be merged",
            hint="add one, or use mode snapshot in config/warehouse.yml",
        )
    if plan.shape.sha256 != base.schema_sha256:
        raise WholeCopyNeeded("the table was altered since its snapshot")


def rejected_rows(plan: TablePlan, source: SnapshotTransaction) -> int:
    """Rows of the snapshot that the policies reject: a scan where a column can reject, else nothing."""
    rejecting = rejections(plan.target.columns)
    if not rejecting:
        return 0
    (count,) = source.row(f"SELECT COUNT(*) FROM {quoted(plan.shape.name)} WHERE {' OR '.join(rejecting)}")
    return int(count or 0)


def changed(record: SnapshotRecord, merged: Merged, started: float) -> TableChanged:
    """`started` by time.monotonic."""
    return TableChanged(
        record.installation, record.table, record.snapshot, record.taken_at, record.gtid, merged.rows, record.rejected,
        merged.upserted, merged.deleted, round(time.monotonic() - started, 3),
    )  # fmt: skip
