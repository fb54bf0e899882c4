"""How far tables that follow changes are behind their sources."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from include.warehouse.changes.gtid import GtidPosition
from include.warehouse.config import Unit, WarehouseConfig
from include.warehouse.datasync.follower import waiting_changes
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.target.port import SnapshotRecord, WarehouseTarget


class TablePosition(NamedTuple):
    """
    snapshot       the current one; empty if there is none, as are the other values of it
    gtid           the position that its rows agree with; `source_gtid` where the source is now
    transactions   of the whole source that are between the two; None where one of them is not known
    lag_s          0 where there are none, else the age of what readers see by the source's clock
    published      whether its changes go to the stream `datasync`
    waiting        changed rows in its journal: at most so many are in the warehouse and not in the stream yet
    """

    installation: str
    table: str
    mode: str
    snapshot: str
    gtid: str
    source_gtid: str
    transactions: int | None
    lag_s: float | None
    published: bool = False
    waiting: int = 0


def positions(
    config: WarehouseConfig, unit: Unit, source: SnapshotTransaction, target: WarehouseTarget
) -> list[TablePosition]:
    """One for each table of the unit; the source is asked once."""
    published = config.published(unit, target.name)
    return [
        _position(config.table(unit.installation, table).mode, unit.installation, table, source, record)._replace(
            published=table in published, waiting=waiting_changes(config.file.journal, unit.installation, table)
        )
        for table in unit.tables
        for record in [target.current(unit.installation, table)]
    ]


def _position(
    mode: str, installation: str, table: str, source: SnapshotTransaction, record: SnapshotRecord | None
) -> TablePosition:
    if record is None:
        return TablePosition(installation, table, mode, "", "", source.gtid, None, None)
    transactions = None
    if record.gtid and source.gtid:
        transactions = GtidPosition.parse(record.gtid).behind(GtidPosition.parse(source.gtid))
    age = datetime.fromisoformat(source.taken_at) - datetime.fromisoformat(record.taken_at)
    lag_s = 0.0 if transactions == 0 else max(0.0, round(age.total_seconds(), 1))
    return TablePosition(installation, table, mode, record.snapshot, record.gtid, source.gtid, transactions, lag_s)
