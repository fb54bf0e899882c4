"""
Keys of both sides compared: what was deleted or inserted without a trace in the binary log or the watermark column.

    ON DELETE CASCADE     deletes rows of other tables, and no log says which: found here
    ON DELETE SET NULL, ON UPDATE CASCADE, SET NULL    change values: such a table is copied whole, as its keys agree

The current snapshot keeps its position: changes that were not merged yet are merged from there, now or later, with the
same result.
"""

from __future__ import annotations

import time

from include.database.connection import Connect
from include.warehouse.changes.key_values import parsed_key
from include.warehouse.changes.reselect import key_lines, lines, rows_of_keys
from include.warehouse.changes.table_changed import TableChanged, base_of, changed, demand_same_shape
from include.warehouse.config import WarehouseConfig
from include.warehouse.errors import WholeCopyNeeded
from include.warehouse.snapshot.table_plan import TablePlan, plan_table
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.target.port import Merged, WarehouseTarget, Write
from spool import failpoints

# Beyond it a whole copy is simpler than so many keys in memory.
KEYS_MAX = 100_000
_LINES_A_WRITE = 10_000

failpoints.declare("warehouse.reconcile.compared")

_CHANGES_VALUES = """SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = {name}
AND (DELETE_RULE IN ('SET NULL', 'SET DEFAULT') OR UPDATE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT'))"""


def reconcile_keys(
    config: WarehouseConfig, installation: str, table: str, connect: Connect, target: WarehouseTarget
) -> TableChanged:
    """Remove rows whose key the source no longer has, insert those that are missing. WholeCopyNeeded, TableRefused."""
    started = time.monotonic()
    with SnapshotTransaction(connect) as source:
        plan = plan_table(config, installation, table, source, target.limits)
        base = base_of(target, installation, table)
        demand_same_shape(plan, base)
        if silent_keys := source.rows(_CHANGES_VALUES.format(name=source.literal(plan.shape.name))):
            raise WholeCopyNeeded(
                f"the foreign key {(silent_keys[0][0] or b'').decode()} changes rows without a log of it"
            )
        difference = target.differing_keys(plan.target, lambda write: _write_keys(plan, source, write), limit=KEYS_MAX)
        failpoints.reach("warehouse.reconcile.compared")
        if max(difference.source_count, difference.target_count) > KEYS_MAX:
            raise WholeCopyNeeded(f"more than {KEYS_MAX:,} keys differ")
        if not difference.source_count and not difference.target_count:
            return changed(base, Merged(base.rows, 0, 0), started)
        missing = [parsed_key(line, plan.target.key_columns) for line in difference.only_in_source]
        merged = target.merge(plan.target, rows_of_keys(plan, source, missing), lines(difference.only_in_target), base)
    return changed(base, merged, started)


def _write_keys(plan: TablePlan, source: SnapshotTransaction, write: Write) -> None:
    some: list[bytes] = []
    for line in key_lines(plan, source):
        some.append(line)
        if len(some) == _LINES_A_WRITE:
            write(b"\n".join(some) + b"\n")
            some.clear()
    if some:
        write(b"\n".join(some) + b"\n")
