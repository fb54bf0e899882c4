"""One unit brought up to date, and the events about it."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from include.common.emit import Emit, no_events
from include.database.connection import Connect
from include.warehouse.changes.log_changes import merge_logged
from include.warehouse.changes.reconcile import reconcile_keys
from include.warehouse.changes.server import AddressOf, address_from_environment
from include.warehouse.changes.table_changed import TableChanged
from include.warehouse.changes.watermark import merge_newer
from include.warehouse.config import Unit, WarehouseConfig
from include.warehouse.datasync.follower import Follower, OpenSpool, following, no_spool
from include.warehouse.errors import WholeCopyNeeded
from include.warehouse.events import ChangesMerged, SnapshotFailed, SnapshotPublished
from include.warehouse.snapshot.pipeline import TableCopied, copy_unit
from include.warehouse.snapshot.progress import Report, log_progress
from include.warehouse.target.port import WarehouseTarget
from spool.errors import SpoolError, TransientError

ConnectTo = Callable[[str], Connect]
"""From the name of a connection in config/warehouse.yml to a function that opens it. SettingsError."""


class Sync(NamedTuple):
    """
    What the syncs of all units of a run share. Targets are opened for each unit, and closed after it.

    snapshot     id of the snapshots that are taken whole
    full         all tables whole, also those whose mode follows changes
    address_of   where the binary log is read, by the name of a connection
    open_spool   the client that takes the events of published tables; called where a unit has one
    """

    config: WarehouseConfig
    connect_to: ConnectTo
    open_target: Callable[[], WarehouseTarget]
    snapshot: str
    emit: Emit = no_events
    report: Report = log_progress
    full: bool = False
    address_of: AddressOf = address_from_environment
    open_spool: OpenSpool = no_spool


LOGGER = logging.getLogger(__name__)

Outcome = TableCopied | TableChanged
_Work = Callable[[Follower], list[Outcome]]


def sync_unit(sync: Sync, unit: Unit) -> list[Outcome]:
    """
    Bring the unit up to date, by the mode of its tables.

    Its events are durable when this returns or raises an error of the engine's tree.
    """
    return _with_events(sync, unit, functools.partial(_synced, sync, unit))


def reconcile_unit(sync: Sync, unit: Unit) -> list[Outcome]:
    """
    Compare the keys of the unit's tables and merge what differs; tables of mode snapshot need none of it.

    Where keys are not enough, the table is copied whole. Events as for `sync_unit`.
    """
    return _with_events(sync, unit, functools.partial(_reconciled, sync, unit))


def _synced(sync: Sync, unit: Unit, follower: Follower) -> list[Outcome]:
    (first, *_) = unit.tables
    mode = "snapshot" if sync.full else sync.config.table(unit.installation, first).mode
    connect = source_of(sync, unit.installation)
    target = follower.target
    if mode == "log":
        address = sync.address_of(_source_name(sync, unit.installation))
        return _merged_or_copied(
            sync, unit, follower, lambda: merge_logged(sync.config, unit.installation, first, connect, address, target)
        )
    if mode == "watermark":
        return _merged_or_copied(
            sync, unit, follower, lambda: merge_newer(sync.config, unit.installation, first, connect, target)
        )
    return [*copy_unit(sync.config, unit, connect, target, sync.snapshot, sync.report)]


def _reconciled(sync: Sync, unit: Unit, follower: Follower) -> list[Outcome]:
    (first, *_) = unit.tables
    if sync.config.table(unit.installation, first).mode == "snapshot":
        return []
    connect, target = source_of(sync, unit.installation), follower.target
    return _merged_or_copied(
        sync, unit, follower, lambda: reconcile_keys(sync.config, unit.installation, first, connect, target)
    )


def _merged_or_copied(sync: Sync, unit: Unit, follower: Follower, merge: Callable[[], TableChanged]) -> list[Outcome]:
    """A table whose mode follows changes is a unit by itself."""
    target = follower.target
    for table in unit.tables:
        target.prune_unfinished(unit.installation, table)
    try:
        follower.demand_agreement()
        return [merge()]
    except WholeCopyNeeded as reason:
        LOGGER.info("%s is copied whole: %s", unit, reason)
        connect = source_of(sync, unit.installation)
        copied = copy_unit(sync.config, unit, connect, target, sync.snapshot, sync.report)
        return [dataclasses.replace(table, because=str(reason)) for table in copied]


def _with_events(sync: Sync, unit: Unit, work: _Work) -> list[Outcome]:
    target = sync.open_target()
    published = sync.config.published(unit, target.name)
    try:
        with ExitStack() as stack:
            with _failure_emitted(sync, unit, target.name):
                follower = stack.enter_context(
                    following(target, unit, published, sync.config.file.journal, sync.open_spool)
                )
                # What an earlier run could not bring into the stream comes before what this one finds.
                follower.drain(give_up=sync.full)
                outcomes = work(follower)
            for outcome in outcomes:
                sync.emit(_event(outcome, target.name))
            follower.drain()
    finally:
        target.close()
    return outcomes


@contextmanager
def _failure_emitted(sync: Sync, unit: Unit, target: str) -> Iterator[None]:
    try:
        yield
    except SpoolError as error:
        for table in unit.tables:
            sync.emit(_failed(unit.installation, table, target, sync.snapshot, error))
        raise


def source_of(sync: Sync, installation: str) -> Connect:
    """The replica where one is configured."""
    return sync.connect_to(_source_name(sync, installation))


def _source_name(sync: Sync, installation: str) -> str:
    settings = sync.config.installation(installation)
    return settings.replica or settings.connection


def _event(outcome: Outcome, target: str) -> SnapshotPublished | ChangesMerged:
    if isinstance(outcome, TableCopied):
        return _published(outcome, target)
    return ChangesMerged(
        outcome.installation, outcome.table, target, outcome.snapshot, outcome.taken_at, outcome.gtid, outcome.rows,
        outcome.upserted, outcome.deleted, outcome.seconds,
    )  # fmt: skip


def _published(copied: TableCopied, target: str) -> SnapshotPublished:
    return SnapshotPublished(
        copied.installation, copied.table, target, copied.snapshot, copied.taken_at, copied.gtid, copied.rows,
        copied.rejected, json.dumps(copied.rejected_by), json.dumps(copied.replaced_by), copied.seconds,
    )  # fmt: skip


def _failed(installation: str, table: str, target: str, snapshot: str, error: SpoolError) -> SnapshotFailed:
    is_transient = isinstance(error, TransientError)
    return SnapshotFailed(installation, table, target, snapshot, type(error).__name__, is_transient)
