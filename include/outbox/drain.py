"""
From the outbox into the spool: every committed row once, per key in the order of the transactions.

For one stream, in this order; each step is durable before the next:

    1. the rows of the next batch get a sequence    outbox_batches (sequence, log, ids), one transaction
    2. they are appended as one unit                (producer, sequence): a repetition gets the same positions
    3. they are deleted, and step 1 of the next     one transaction

    dies after 1   the next drain reads the same ids and appends them under the same sequence
    dies in 2      the same; the spool knows whether it has the sequence
    dies after 2   the same; the spool answers with the positions it gave
    dies after 3   nothing is left of the batch

Two drains of one stream do no harm: both append the same batch under one sequence, and the compare-and-set of step 3
lets one of them go on. A server lock keeps them from trying. A stream that fails keeps its error to itself.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, Engine, Row, delete, func, select, update
from sqlalchemy.dialects.mysql import insert as mysql_insert

from include.database.connection import mapped_errors, transaction
from include.database.tables import OUTBOX, OUTBOX_BATCHES
from include.outbox.write import decode_headers
from spool import failpoints
from spool.clock import Deadline
from spool.errors import ProducerMoved, SpoolError
from spool.event import Accepted, Event, ProducerSequence

# A batch is one commit of the log; these leave room below its limits (spool/event.py) for headers.
BATCH_EVENTS_MAX = 5_000
BATCH_BYTES_MAX = 4 * 1024 * 1024
PRODUCER = "outbox"

failpoints.declare("outbox.sequence_given", "outbox.appended", "outbox.settled")

_ROW_COLUMNS = [
    OUTBOX.c.id, OUTBOX.c.event_id, OUTBOX.c.event_type, OUTBOX.c.source, OUTBOX.c.time_ms, OUTBOX.c.event_key,
    OUTBOX.c.headers, OUTBOX.c.payload,
]  # fmt: skip


class IdempotentAppend(Protocol):
    """What of the spool's client is needed."""

    def append_once(self, stream: str, events: Sequence[Event], sequence: ProducerSequence) -> Accepted: ...

    def log_of(self, stream: str) -> str: ...


class DrainSummary(NamedTuple):
    """What one drain did for one stream. `error` is empty when it drained all it could."""

    events: int = 0
    batches: int = 0
    error: SpoolError | None = None


class _Batch(NamedTuple):
    sequence: int
    log: str
    ids: tuple[int, ...]


def drain(
    database: Engine, spool: IdempotentAppend, installation: str, *, deadline: Deadline, max_events: int | None = None
) -> dict[str, DrainSummary]:
    """Every stream that has rows, one after the other; one that fails does not stop the others."""
    with transaction(database) as connection:
        waiting = connection.scalars(select(OUTBOX.c.stream).distinct()).all()
        under_way = connection.scalars(select(OUTBOX_BATCHES.c.stream).where(OUTBOX_BATCHES.c.ids.is_not(None))).all()
    summaries = {}
    for stream in sorted({*waiting, *under_way}):
        summaries[stream] = StreamDrain(database, spool, installation, stream).run(deadline, max_events)
    return summaries


class StreamDrain:
    """The drain of one stream."""

    def __init__(self, database: Engine, spool: IdempotentAppend, installation: str, stream: str) -> None:
        self._database, self._spool, self._stream = database, spool, stream
        self._producer = f"{PRODUCER}/{installation}/{stream}"
        self._events = self._batches = 0

    def run(self, deadline: Deadline, max_events: int | None) -> DrainSummary:
        """Until nothing is left, the deadline has passed, or something fails: the error is part of the answer."""
        self._events = self._batches = 0
        try:
            with self._alone() as alone:
                if alone:
                    self._run(deadline, max_events)
        except SpoolError as error:
            return DrainSummary(self._events, self._batches, error)
        return DrainSummary(self._events, self._batches)

    def _run(self, deadline: Deadline, max_events: int | None) -> None:
        batch = self._resume() or self._next(None)
        while batch is not None:
            self._events += self._append(batch)
            self._batches += 1
            if deadline.expired or (max_events is not None and self._events >= max_events):
                self._settle(batch)
                return
            batch = self._next(batch)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """
        Whether no other drain of this stream is at work. The lock saves work; safety is the sequences'.

        The server frees it when the connection ends, whatever happened to this process.
        """
        name = f"spillway_outbox/{self._stream}"[:64]
        with mapped_errors(), self._database.connect() as connection:
            taken = connection.scalar(select(func.get_lock(name, 0))) == 1
            connection.rollback()
            yield taken

    def _resume(self) -> _Batch | None:
        """The batch that an earlier drain gave a sequence and did not settle."""
        with transaction(self._database) as connection:
            return _under_way(self._row(connection, lock=False))

    def _next(self, done: _Batch | None) -> _Batch | None:
        """Step 3 for `done` and step 1 for the next rows, in one transaction."""
        with transaction(self._database) as connection:
            # There must be a row to lock, or two first drains would not see each other.
            first = mysql_insert(OUTBOX_BATCHES).values(stream=self._stream, sequence=0, log="")
            connection.execute(first.prefix_with("IGNORE"))
            row = self._row(connection, lock=True)
            assert row is not None, "the row was inserted above"
            if done is not None and not self._delete(connection, row, done):
                return _under_way(row)
            if done is None and (started := _under_way(row)):
                return started
            ids = self._choose(connection)
            if ids:
                batch = _Batch(row.sequence + 1, self._spool.log_of(self._stream), ids)
                self._note(connection, batch)
            else:
                self._clear(connection)
        failpoints.reach("outbox.settled" if done else "outbox.sequence_given")
        return batch if ids else None

    def _append(self, batch: _Batch) -> int:
        """Step 2."""
        with transaction(self._database) as connection:
            query = select(*_ROW_COLUMNS).where(OUTBOX.c.id.in_(batch.ids)).order_by(OUTBOX.c.id)
            rows = connection.execute(query).all()
        if not rows:
            return 0  # another drain settled this batch, and the next step sees it
        sequence = ProducerSequence(self._producer, batch.sequence, batch.log)
        try:
            self._spool.append_once(self._stream, [_event(row) for row in rows], sequence)
        except ProducerMoved as moved:
            if not moved.certainly_not_written:
                raise
            # The log was copied or forked, and what it knew went with it: the same batch, for the log that goes on.
            self._name_log(batch, moved.log)
            return self._append(batch._replace(log=moved.log))
        failpoints.reach("outbox.appended")
        return len(rows)

    def _name_log(self, batch: _Batch, log: str) -> None:
        with transaction(self._database) as connection:
            where = (OUTBOX_BATCHES.c.stream == self._stream, OUTBOX_BATCHES.c.sequence == batch.sequence)
            connection.execute(update(OUTBOX_BATCHES).where(*where).values(log=log))

    def _settle(self, done: _Batch) -> None:
        """Step 3 alone, when no further batch is wanted."""
        with transaction(self._database) as connection:
            if self._delete(connection, self._row(connection, lock=True), done):
                self._clear(connection)
        failpoints.reach("outbox.settled")

    def _row(self, connection: Connection, *, lock: bool) -> Row[Any] | None:
        query = select(OUTBOX_BATCHES).where(OUTBOX_BATCHES.c.stream == self._stream)
        return connection.execute(query.with_for_update() if lock else query).one_or_none()

    def _delete(self, connection: Connection, row: Row[Any] | None, done: _Batch) -> bool:
        """Whether `done` was still the batch under way; its rows are deleted then."""
        if row is None or row.sequence != done.sequence or row.ids is None:
            return False
        connection.execute(delete(OUTBOX).where(OUTBOX.c.id.in_(done.ids)))
        return True

    def _choose(self, connection: Connection) -> tuple[int, ...]:
        """The ids of the next batch: the lowest rows that are committed, within the limits of one commit."""
        size = func.length(OUTBOX.c.payload) + func.coalesce(func.length(OUTBOX.c.headers), 0)
        mine = select(OUTBOX.c.id, size).where(OUTBOX.c.stream == self._stream)
        query = mine.order_by(OUTBOX.c.id).limit(BATCH_EVENTS_MAX)
        chosen: list[int] = []
        total_bytes = 0
        for row_id, size_bytes in connection.execute(query):
            total_bytes += size_bytes
            if chosen and total_bytes > BATCH_BYTES_MAX:
                break
            chosen.append(row_id)
        return tuple(chosen)

    def _note(self, connection: Connection, batch: _Batch) -> None:
        values = {"stream": self._stream, "sequence": batch.sequence, "log": batch.log, "ids": encode_ids(batch.ids)}
        connection.execute(update(OUTBOX_BATCHES).where(OUTBOX_BATCHES.c.stream == self._stream).values(values))

    def _clear(self, connection: Connection) -> None:
        connection.execute(update(OUTBOX_BATCHES).where(OUTBOX_BATCHES.c.stream == self._stream).values(ids=None))


def _under_way(row: Row[Any] | None) -> _Batch | None:
    return _Batch(row.sequence, row.log, decode_ids(row.ids)) if row is not None and row.ids is not None else None


def _event(row: Row[Any]) -> Event:
    return Event(
        value=bytes(row.payload), key=None if row.event_key is None else bytes(row.event_key), id=row.event_id,
        type=row.event_type, source=row.source, time_ms=row.time_ms, headers=decode_headers(row.headers),
    )  # fmt: skip


def encode_ids(ids: Sequence[int]) -> bytes:
    """8 bytes each, little-endian."""
    packed = array.array("Q", ids)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def decode_ids(data: bytes) -> tuple[int, ...]:
    packed = array.array("Q", data)
    if sys.byteorder == "big":
        packed.byteswap()
    return tuple(packed)


def failed(summaries: Mapping[str, DrainSummary]) -> dict[str, SpoolError]:
    """The streams whose drain did not end well, with the reason."""
    return {stream: summary.error for stream, summary in summaries.items() if summary.error is not None}
