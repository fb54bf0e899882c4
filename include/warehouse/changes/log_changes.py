"""
Mode `log`: one table brought to the state of a new snapshot of the source, by the keys in the binary log.

    1. open      one snapshot of the source, with its GTID position
    2. check     the server's settings; the table is shaped as it was
    3. keys      of all rows that changed between the warehouse's position and the snapshot's
    4. select    these rows, in that snapshot: what the warehouse then holds is exactly the snapshot
    5. merge     rows, deleted keys and the new position, in one transaction

    dies in 1 to 4   nothing happened; the next run reads from the same position
    dies after 5     the warehouse is at the snapshot's position; the next run reads from there

What no log shows: rows that a foreign key deletes or changes (ON DELETE CASCADE, SET NULL). `reconcile` finds them.
"""

from __future__ import annotations

import time

from include.database.connection import Connect
from include.warehouse.changes.binlog_keys import LoggedTable, changed_keys
from include.warehouse.changes.gtid import GtidPosition
from include.warehouse.changes.key_values import demand_known_types, key_literals, parsed_key
from include.warehouse.changes.reselect import SqlKey, lines, reselect_keys, rows_of_keys
from include.warehouse.changes.server import ServerAddress, demand_row_binlog
from include.warehouse.changes.table_changed import (
    TableChanged,
    base_of,
    changed,
    demand_same_shape,
    rejected_rows,
)
from include.warehouse.changes.whole_copy import changes_worth_reading
from include.warehouse.config import WarehouseConfig
from include.warehouse.errors import WholeCopyNeeded
from include.warehouse.snapshot.table_plan import TablePlan, plan_table
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.target.port import Merged, SnapshotRecord, WarehouseTarget
from spool import failpoints

failpoints.declare("warehouse.changes.opened", "warehouse.changes.read", "warehouse.changes.merged")


def merge_logged(
    config: WarehouseConfig,
    installation: str,
    table: str,
    connect: Connect,
    address: ServerAddress,
    target: WarehouseTarget,
    changes_max: int | None = None,
) -> TableChanged:
    """
    Bring the current snapshot of the table up to date; readers see all changes when it returns, none when it raises.

    changes_max: read no more of them; by default as many as are worth it. Errors: WholeCopyNeeded when a whole copy
    must be made instead, TableRefused when the server's settings or the table do not allow this mode.
    """
    started = time.monotonic()
    with SnapshotTransaction(connect) as source:
        failpoints.reach("warehouse.changes.opened")
        demand_row_binlog(source)
        plan = plan_table(config, installation, table, source, target.limits)
        base = base_of(target, installation, table)
        demand_same_shape(plan, base)
        limit = changes_worth_reading(base.rows) if changes_max is None else changes_max
        keys = _changed(plan, source, address, base, limit)
        failpoints.reach("warehouse.changes.read")
        record = base._replace(taken_at=source.taken_at, gtid=source.gtid, rejected=base.rejected)
        if not keys and record.gtid == base.gtid:
            return changed(base, Merged(base.rows, 0, 0), started)
        record = record._replace(rejected=rejected_rows(plan, source))
        asked = reselect_keys(plan, source, keys)
        present = [parsed_key(line, plan.target.key_columns) for line in asked.present]
        merged = target.merge(plan.target, rows_of_keys(plan, source, present), lines(asked.missing), record)
    failpoints.reach("warehouse.changes.merged")
    return changed(record, merged, started)


def _changed(
    plan: TablePlan, source: SnapshotTransaction, address: ServerAddress, base: SnapshotRecord, limit: int
) -> list[SqlKey]:
    """In no order. WholeCopyNeeded."""
    by_name = {column.name: column for column in plan.shape.columns}
    columns = [by_name[name] for name in plan.shape.key]
    demand_known_types(str(plan.target), columns)
    if not base.gtid:
        raise WholeCopyNeeded("the snapshot has no GTID position")
    since, until = GtidPosition.parse(base.gtid), GtidPosition.parse(source.gtid)
    if not until.reaches(since):
        raise WholeCopyNeeded(f"the server is at {until}, behind the warehouse at {since}: it was restored or replaced")
    (database,) = source.row("SELECT DATABASE()")
    logged = LoggedTable((database or b"").decode(), plan.shape.name, plan.shape.key)
    return [key_literals(columns, key) for key in changed_keys(address, logged, since, until, limit)]
