"""
Mode `watermark`: changed rows by a column that grows with each change, where no binary log may be read.

    1. open      one snapshot of the source
    2. read      rows of it whose column is at least the watermark less the overlap, or NULL
    3. merge     these rows and the snapshot's own greatest value, in one transaction

The overlap is for transactions that were open when the last snapshot was taken: their rows have older values than the
watermark. Rows are merged by key, so reading some again changes nothing. A row that is deleted, or that a policy
rejects without its column growing, is found by `reconcile`.
"""

from __future__ import annotations

import time

from include.database.connection import Connect
from include.warehouse.changes.reselect import key_lines, lines, rows_where
from include.warehouse.changes.table_changed import (
    TableChanged,
    base_of,
    changed,
    demand_same_shape,
    rejected_rows,
)
from include.warehouse.config import WarehouseConfig
from include.warehouse.errors import WholeCopyNeeded
from include.warehouse.snapshot.table_plan import (
    TablePlan,
    greatest_watermark,
    is_number,
    plan_table,
    watermark_column,
)
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.target.port import WarehouseTarget


def merge_newer(
    config: WarehouseConfig, installation: str, table: str, connect: Connect, target: WarehouseTarget
) -> TableChanged:
    """Readers see all changes when it returns, none when it raises. WholeCopyNeeded, TableRefused."""
    started = time.monotonic()
    with SnapshotTransaction(connect) as source:
        plan = plan_table(config, installation, table, source, target.limits)
        base = base_of(target, installation, table)
        demand_same_shape(plan, base)
        watermark = greatest_watermark(plan, source)
        if _is_less(plan, watermark, base.watermark):
            raise WholeCopyNeeded(
                f"the greatest {plan.settings.watermark_column} went back: rows were lost or restored"
            )
        where = _where(plan, base.watermark, source)
        record = base._replace(
            taken_at=source.taken_at, gtid=source.gtid, watermark=watermark, rejected=rejected_rows(plan, source)
        )
        rejected = lines(list(key_lines(plan, source, where, rejected=True)))
        merged = target.merge(plan.target, rows_where(plan, source, where), rejected, record)
    return changed(record, merged, started)


def _where(plan: TablePlan, watermark: str, source: SnapshotTransaction) -> str:
    column = watermark_column(plan)
    if not watermark:
        return "1"
    if is_number(column):
        least = str(int(watermark) - plan.settings.overlap_s)
    else:
        least = f"{source.literal(watermark)} - INTERVAL {int(plan.settings.overlap_s)} SECOND"
    return f"{column.quoted} >= {least} OR {column.quoted} IS NULL"


def _is_less(plan: TablePlan, left: str, right: str) -> bool:
    if not left or not right:
        return bool(right) and not left
    return int(left) < int(right) if is_number(watermark_column(plan)) else left < right
