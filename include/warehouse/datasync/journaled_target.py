"""
A warehouse whose changes of published tables are in a journal before they are made.

    1. rows       of the change set, durable; of a merge with the old rows as the warehouse still has them
    2. journal    names the rows and the state that the warehouse is about to have, durable
    3. change     the warehouse's own transaction

    dies in 1     rows that no journal names; removed by the next run
    dies in 2, 3  the warehouse is not in the journal's state: the next drain discards it, and the run makes its own
    dies after 3  it is: the next drain brings the journal into the stream
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from include.warehouse.column_types.digest import Digest
from include.warehouse.datasync.drain import IdempotentAppend, producer_name
from include.warehouse.datasync.journal import Pending, State, TableJournal, columns_of
from include.warehouse.datasync.row_changes import RowChange, write_changes
from include.warehouse.errors import TableRefused, WholeCopyNeeded
from include.warehouse.events import DATASYNC
from include.warehouse.target.port import (
    KeyDifference,
    Merged,
    Produce,
    Publication,
    SnapshotRecord,
    Staged,
    TargetTable,
    TextRow,
    WarehouseTarget,
    Write,
)
from spool import failpoints

# Of one append to the spool.
BATCH_EVENTS, BATCH_BYTES = 2_000, 1024 * 1024

failpoints.declare("warehouse.datasync.rows_written", "warehouse.datasync.journaled", "warehouse.datasync.made")


class JournaledTarget:
    """See WarehouseTarget. `journals` by table, of one installation; other tables go through as they are."""

    def __init__(self, target: WarehouseTarget, journals: Mapping[str, TableJournal], spool: IdempotentAppend) -> None:
        self._target, self._journals, self._spool = target, journals, spool
        self.name, self.limits = target.name, target.limits
        self._rows_of: dict[str, str] = {}

    def load(self, table: TargetTable, snapshot: str, produce: Produce, *, longest_line: int = 0) -> Staged:
        journal = self._journals.get(table.name)
        if journal is None:
            return self._target.load(table, snapshot, produce, longest_line=longest_line)
        if not table.key:
            raise TableRefused(
                f"{table} has no primary key, so its rows cannot be published",
                hint="add one, or remove `publish` in config/warehouse.yml",
            )
        with journal.new_rows() as file:

            def both(write: Write) -> None:
                def write_both(piece: bytes) -> object:
                    file.write(piece)
                    return write(piece)

                # A target may ask again after a transaction that was rolled back.
                file.seek(0)
                file.truncate()
                produce(write_both)

            staged = self._target.load(table, snapshot, both, longest_line=longest_line)
        self._rows_of[staged.place] = Path(file.name).name
        return staged

    def publish(self, publications: Sequence[Publication]) -> None:
        for staged, record in publications:
            if (rows := self._rows_of.pop(staged.place, None)) is not None:
                journal = self._journals[staged.table.name]
                epoch = journal.next_epoch()
                self._put(journal, staged.table, record, "whole", rows, record.rows, epoch)
        failpoints.reach("warehouse.datasync.journaled")
        self._target.publish(publications)
        failpoints.reach("warehouse.datasync.made")

    def merge(self, table: TargetTable, upserts: Produce, deleted_keys: Produce, record: SnapshotRecord) -> Merged:
        """WholeCopyNeeded where the stream does not hold what the warehouse holds."""
        journal = self._journals.get(table.name)
        if journal is None:
            return self._target.merge(table, upserts, deleted_keys, record)
        epoch = self.demand_agreement(journal)
        current = self._target.current(table.installation, table.name)
        if State.of(record) == State.of(current):
            record = record._replace(taken_at=_a_moment_later(record.taken_at))
        changes = 0
        with journal.new_rows() as file:

            def write(change: RowChange) -> None:
                nonlocal changes
                file.write(change.encoded())
                changes += 1

            write_changes(table, self._target, upserts, deleted_keys, write)
        failpoints.reach("warehouse.datasync.rows_written")
        self._put(journal, table, record, "merge", Path(file.name).name, changes, epoch)
        failpoints.reach("warehouse.datasync.journaled")
        merged = self._target.merge(table, upserts, deleted_keys, record)
        failpoints.reach("warehouse.datasync.made")
        return merged

    def demand_agreement(self, journal: TableJournal) -> str:
        """The stream's epoch; WholeCopyNeeded unless the stream holds what the warehouse holds."""
        stream = journal.stream()
        if stream is None:
            raise WholeCopyNeeded("the stream has no rows of the table yet")
        if State.of(self._target.current(journal.installation, journal.table)) != stream.record:
            raise WholeCopyNeeded("the stream does not hold what the warehouse holds")
        return stream.epoch

    def digest(self, staged: Staged) -> Digest:
        return self._target.digest(staged)

    def differing_keys(self, table: TargetTable, keys: Produce, *, limit: int) -> KeyDifference:
        return self._target.differing_keys(table, keys, limit=limit)

    def rows_of_keys(self, table: TargetTable, keys: Produce) -> list[TextRow]:
        return self._target.rows_of_keys(table, keys)

    def current(self, installation: str, table: str) -> SnapshotRecord | None:
        return self._target.current(installation, table)

    def history(self, installation: str, table: str) -> list[SnapshotRecord]:
        return self._target.history(installation, table)

    def rows(self, installation: str, table: str, columns: Sequence[str]) -> Iterator[tuple[object, ...]]:
        return self._target.rows(installation, table, columns)

    def drop_expired(self, installation: str, table: str, keep: int) -> list[str]:
        return self._target.drop_expired(installation, table, keep)

    def prune_unfinished(self, installation: str, table: str) -> list[str]:
        return self._target.prune_unfinished(installation, table)

    def close(self) -> None:
        self._target.close()

    def _put(
        self, journal: TableJournal, table: TargetTable, record: SnapshotRecord, kind: Literal["merge", "whole"],
        rows: str, changes: int, epoch: str,
    ) -> None:  # fmt: skip
        position = self._spool.last_of(DATASYNC, producer_name(table.installation, table.name))
        state = State.of(record)
        assert state is not None
        journal.put(
            Pending(
                table.installation, table.name, kind, rows, changes, epoch, state, columns_of(table), table.key,
                time.time_ns() // 1_000_000, position.log, position.sequence + 1, BATCH_EVENTS, BATCH_BYTES,
            )
        )  # fmt: skip


def _a_moment_later(taken_at: str) -> str:
    """A merge that keeps the position (`reconcile`) has a state of its own, so that one sees whether it was made."""
    return str(datetime.fromisoformat(taken_at) + timedelta(microseconds=1))
