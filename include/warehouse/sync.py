"""One unit brought up to date, and the events about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from include.common.emit import Emit, no_events
from include.database.connection import Connect
from include.warehouse.config import Unit, WarehouseConfig
from include.warehouse.events import SnapshotFailed, SnapshotPublished
from include.warehouse.snapshot.pipeline import TableCopied, copy_unit
from include.warehouse.snapshot.progress import Report, log_progress
from include.warehouse.target.port import WarehouseTarget
from spool.errors import SpoolError, TransientError

ConnectTo = Callable[[str], Connect]
"""From the name of a connection in config/warehouse.yml to a function that opens it. SettingsError."""


class Sync(NamedTuple):
    """What the syncs of all units of a run share. Targets are opened for each unit, and closed after it."""

    config: WarehouseConfig
    connect_to: ConnectTo
    open_target: Callable[[], WarehouseTarget]
    snapshot: str
    emit: Emit = no_events
    report: Report = log_progress


def sync_unit(sync: Sync, unit: Unit) -> list[TableCopied]:
    """Copy the unit whole. Its events are durable when this returns or raises an error of the engine's tree."""
    target = sync.open_target()
    try:
        connect = source_of(sync, unit.installation)
        copied = copy_unit(sync.config, unit, connect, target, sync.snapshot, sync.report)
    except SpoolError as error:
        for table in unit.tables:
            sync.emit(_failed(unit.installation, table, target.name, sync.snapshot, error))
        raise
    finally:
        target.close()
    for table_copied in copied:
        sync.emit(_published(table_copied, target.name))
    return copied


def source_of(sync: Sync, installation: str) -> Connect:
    """The replica where one is configured."""
    settings = sync.config.installation(installation)
    return sync.connect_to(settings.replica or settings.connection)


def _published(copied: TableCopied, target: str) -> SnapshotPublished:
    return SnapshotPublished(
        copied.installation, copied.table, target, copied.snapshot, copied.taken_at, copied.gtid, copied.rows,
        copied.rejected, json.dumps(copied.rejected_by), json.dumps(copied.replaced_by), copied.seconds,
    )  # fmt: skip


def _failed(installation: str, table: str, target: str, snapshot: str, error: SpoolError) -> SnapshotFailed:
    is_transient = isinstance(error, TransientError)
    return SnapshotFailed(installation, table, target, snapshot, type(error).__name__, is_transient)
