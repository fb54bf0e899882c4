"""What a journal says, as batches of events: the same batches each time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import BinaryIO

from include.common.event_type import FeatureEvent, encode
from include.warehouse.datasync.csv_records import CsvRecords, Record
from include.warehouse.datasync.journal import Pending
from include.warehouse.datasync.row_changes import RowChange
from include.warehouse.events import RowChanged, TableReplaced
from spool.event import EVENT_BYTES_MAX, Event

SOURCE = "spillway/warehouse"
_PIECE_BYTES = 256 * 1024


def batches(pending: Pending, rows: BinaryIO) -> Iterator[list[Event]]:
    """In their order; the events of a batch are within the journal's limits, and at least one."""
    batch: list[Event] = []
    size = 0
    for event in _events(pending, rows):
        size += len(event.value)
        if batch and (size > pending.batch_bytes or len(batch) == pending.batch_events):
            yield batch
            batch, size = [], len(event.value)
        batch.append(event)
    if batch:
        yield batch


def _events(pending: Pending, rows: BinaryIO) -> Iterator[Event]:
    if pending.kind == "whole":
        yield _encoded(pending, _replaced(pending))
        changes = (RowChange(None, row) for row in _records(rows))
    else:
        changes = (RowChange.decoded(line) for line in rows)
    for change in changes:
        yield _fitting(pending, _changed(pending, change))


def _records(rows: BinaryIO) -> Iterator[Record]:
    records = CsvRecords()
    while piece := rows.read(_PIECE_BYTES):
        yield from records.take(piece)


def _replaced(pending: Pending) -> TableReplaced:
    columns = tuple(dataclasses.asdict(column) for column in pending.columns)
    return TableReplaced(
        pending.installation, pending.table, pending.epoch, pending.record.taken_at, pending.record.gtid,
        pending.changes, columns, pending.key,
    )  # fmt: skip


def _changed(pending: Pending, change: RowChange) -> RowChanged:
    names = [column.name for column in pending.columns]
    before, after = (None if row is None else dict(zip(names, row, strict=True)) for row in change)
    row = after if after is not None else before
    assert row is not None
    key = tuple(row[name] or "" for name in pending.key)
    return RowChanged(
        pending.installation, pending.table, pending.epoch, pending.record.taken_at, pending.record.gtid,
        _operation(pending, change), key, before, after,
    )  # fmt: skip


def _operation(pending: Pending, change: RowChange) -> str:
    if pending.kind == "whole":
        return "snapshot"
    if change.before is None:
        return "insert"
    return "delete" if change.after is None else "update"


def _fitting(pending: Pending, changed: RowChanged) -> Event:
    """Without `before`, and then without `after`, where the event would be too large."""
    without_before = dataclasses.replace(changed, before=None, left_out=("before",))
    without_rows = dataclasses.replace(without_before, after=None, left_out=("before", "after"))
    for form in (changed, without_before):
        event = _encoded(pending, form)
        if len(event.value) <= EVENT_BYTES_MAX:
            return event
    return _encoded(pending, without_rows)


def _encoded(pending: Pending, event: FeatureEvent) -> Event:
    return encode(event, SOURCE, time_ms=pending.time_ms)
