"""One table of one installation: what it is in the source, and what it becomes in the warehouse."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from include.warehouse.column_types.mapped_column import Limits
from include.warehouse.column_types.source_column import SourceColumn, quoted
from include.warehouse.column_types.type_map import map_columns
from include.warehouse.config import Table, WarehouseConfig
from include.warehouse.errors import TableRefused
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.source.table_shape import TableShape, table_shape
from include.warehouse.target.port import TargetTable


class TablePlan(NamedTuple):
    """`target.key` are the names of the key's columns in the warehouse, `shape.key` those in the source."""

    settings: Table
    shape: TableShape
    target: TargetTable


def plan_table(
    config: WarehouseConfig, installation: str, table: str, snapshot: SnapshotTransaction, limits: Limits
) -> TablePlan:
    """Read the table's shape in the snapshot and map its columns. TableRefused, TypeRefused, SnapshotBroken."""
    settings = config.table(installation, table)
    shape = table_shape(snapshot, config.source_name(installation, table))
    if not shape.columns:
        raise TableRefused(f"{installation}/{table}: the account sees no columns of {shape.name}", hint="grant SELECT")
    columns = tuple(map_columns(f"{installation}/{table}", shape.columns, settings, limits))
    by_source = {column.source_name: column.name for column in columns}
    key = tuple(by_source[name] for name in shape.key)
    return TablePlan(settings, shape, TargetTable(installation, table, columns, key))


# Columns that grow: whole numbers, and moments that compare like their texts.
_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_MOMENTS = frozenset({"date", "datetime", "timestamp"})


def watermark_column(plan: TablePlan) -> SourceColumn:
    """The column by which mode watermark goes. TableRefused where the table has none that can be used."""
    wanted = plan.settings.watermark_column
    column = next((column for column in plan.shape.columns if column.name == wanted), None)
    if column is None or column.data_type not in _NUMBERS | _MOMENTS:
        state = f"has the type {column.column_type}" if column else "is missing"
        raise TableRefused(
            f"{plan.target}: the watermark column {wanted} {state}",
            hint="watermark_column in config/warehouse.yml must be a whole number, a DATE, DATETIME or TIMESTAMP",
        )
    return column


def is_number(column: SourceColumn) -> bool:
    """Whether a watermark is a whole number; else it is a moment."""
    return column.data_type in _NUMBERS


def greatest_watermark(plan: TablePlan, snapshot: SnapshotTransaction) -> str:
    """The greatest value in the snapshot, as the source writes it; empty without rows, and in other modes."""
    if not plan.settings.watermark_column:
        return ""
    column = watermark_column(plan)
    (greatest,) = snapshot.row(f"SELECT MAX({column.quoted}) FROM {quoted(plan.shape.name)}")
    return (greatest or b"").decode()


def snapshot_id(logical_time: datetime) -> str:
    """`20261125T093000Z`; a run for the same logical time has the same id. The time must know its zone."""
    if logical_time.tzinfo is None:
        raise ValueError(f"{logical_time} has no time zone")
    return logical_time.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
