"""A commit of idempotent appends: its records are laid out under the log's lock, when it is known which are new."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from spool.clock import Deadline
from spool.errors import ProducerConflict, ProducerMoved, SpoolError
from spool.event import COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, SPOOL_HEADER, OffsetRange
from spool.format import record_batch
from spool.format.event_record import Record
from spool.format.position_header import Unit, encode_unit
from spool.log.producers import Entry, ProducerTable


class PendingUnit:
    """One append under a sequence, and what became of it."""

    def __init__(self, records: Sequence[Record], unit: Unit, log: str) -> None:
        self.records, self.unit = records, unit
        self._meant_for = log
        self.log = ""
        self.offsets = OffsetRange(-1, -1)
        self.repeated = False
        self.error: SpoolError | None = None

    def resolve(self, table: ProducerTable, log: str) -> bool:
        """Whether it is to be written now; otherwise its positions or its error are set."""
        try:
            entry = table.look_up(self.unit)
        except ProducerConflict as error:
            self.error = error
            return False
        if entry is not None:
            self._repeats(entry)
            return False
        if self._meant_for != log:
            certain = self._meant_for in table.inherited
            self.error = ProducerMoved(
                f"producer {self.unit.producer} sends sequence {self.unit.sequence} for the log {self._meant_for}; the "
                f"stream continues in {log}" + (", and the sequence was not written" if certain else ""),
                log=log, certainly_not_written=certain,
                hint="send it for the new log" if certain else "look whether the old log has it before sending again",
            )  # fmt: skip
            return False
        return True

    def written(self, log: str, first: int) -> None:
        self.log, self.offsets = log, OffsetRange(first, first + self.unit.event_count)

    def _repeats(self, entry: Entry) -> None:
        self.log, self.offsets, self.repeated = entry.log, entry.offsets, True


class UnitCommit:
    """
    Units of several producers that are written together; at most one of each, so that each has its own answer.

    The builder is filled before the log's lock is taken, as if all were new; where some are not, it is filled again.
    What fits is found by filling, not by a bound: a bound of the size would cost a tenth of the append.
    """

    def __init__(self, mutex: threading.Lock) -> None:
        self.units: list[PendingUnit] = []
        self._builder: DefaultRecordBatchBuilder | None = record_batch.builder(size_max=COMMIT_BYTES_MAX)
        self.event_count = 0
        self.changed = threading.Condition(mutex)
        self.deadline = Deadline(0)
        self.error: SpoolError | None = None
        self.done = False

    def has_room(self, pending: PendingUnit) -> bool:
        return (
            self._builder is not None
            and self.event_count + len(pending.records) <= COMMIT_EVENTS_MAX
            and all(unit.unit.producer != pending.unit.producer for unit in self.units)
        )

    def add(self, pending: PendingUnit) -> bool:
        """False where its records do not fit; nothing fits from then on."""
        assert self._builder is not None
        if not _fill(self._builder, self.event_count, pending):
            self._builder = None
            return False
        self.units.append(pending)
        self.event_count += len(pending.records)
        return True

    def builder_of(self, new: Sequence[PendingUnit]) -> DefaultRecordBatchBuilder:
        """The records of these units alone."""
        if self._builder is not None and len(new) == len(self.units):
            return self._builder
        builder, delta = record_batch.builder(size_max=COMMIT_BYTES_MAX), 0
        for pending in new:
            fits = _fill(builder, delta, pending)
            assert fits, "it fitted together with others"
            delta += len(pending.records)
        return builder


def _fill(builder: DefaultRecordBatchBuilder, delta: int, pending: PendingUnit) -> bool:
    """Whether all records of the unit fit; the first gets the header that names it."""
    add, records = builder.append, pending.records
    time_ms, key, value, headers = records[0]
    first = add(delta, time_ms, key, value, [(SPOOL_HEADER, encode_unit(pending.unit)), *headers])
    # The first record of a batch is always taken, whatever its size.
    if first is None or builder.size() > COMMIT_BYTES_MAX:
        return False
    for place in range(1, len(records)):
        time_ms, key, value, headers = records[place]
        if add(delta + place, time_ms, key, value, headers) is None:
            return False
    return True
