"""
The batches of one stream in MariaDB: which rows are under way, and under which sequence.

Each change is one transaction, made only while the caller's batch is the one under way. A drain whose batch another one
has settled meanwhile gets what is under way now, and goes on with that.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, bindparam, delete, func, select, update
from sqlalchemy.dialects.mysql import insert as mysql_insert

from include.database.connection import mapped_errors, transaction
from include.database.tables import OUTBOX, OUTBOX_BATCHES
from include.dead_letters.letters import put_letter
from include.outbox.refused_rows import refused_row
from include.outbox.write import decode_headers
from spool.event import Event, ProducerPosition

# A batch is one commit of the log; these leave room below its limits (spool/event.py) for keys and headers.
BATCH_EVENTS_MAX = 5_000
BATCH_BYTES_MAX = 4 * 1024 * 1024

_ROW_COLUMNS = [
    OUTBOX.c.id, OUTBOX.c.payload, OUTBOX.c.event_key, OUTBOX.c.event_id, OUTBOX.c.event_type, OUTBOX.c.source,
    OUTBOX.c.time_ms, OUTBOX.c.headers,
]  # fmt: skip


class Batch(NamedTuple):
    """Rows that are appended as one unit, in the order of their ids."""

    sequence: int
    log: str
    ids: tuple[int, ...]
    events: tuple[Event, ...]


class DrainState(NamedTuple):
    """How far the drain is: its last sequence, the log that got it, and the offset behind what is done there."""

    sequence: int
    log: str
    next_offset: int
    is_under_way: bool


class Batches:
    """One stream's. Every method raises what `transaction` does."""

    def __init__(self, database: Engine, stream: str) -> None:
        self._database, self._stream = database, stream

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """
        Whether no other drain of this stream is at work. The lock saves work; safety is the sequences'.

        The server frees it when the connection ends, whatever happened to this process. Its names are the server's, not
        the database's.
        """
        name = func.sha1(func.concat(func.database(), "/outbox/", self._stream))
        with mapped_errors(), self._database.connect() as connection:
            taken = connection.scalar(select(func.get_lock(name, 0))) == 1
            connection.rollback()
            yield taken

    def state(self) -> DrainState:
        """Where the last drain ended."""
        with transaction(self._database) as connection:
            # There must be a row to lock, or two first drains would not see each other.
            first = mysql_insert(OUTBOX_BATCHES).values(stream=self._stream, sequence=0, log="")
            connection.execute(first.prefix_with("IGNORE"))
            return _state(self._locked_row(connection))

    def begin(self, before: DrainState, position: ProducerPosition) -> None:
        """Go on behind `position`, unless something is under way or the drain is no longer as it was `before`."""
        with transaction(self._database) as connection:
            if _state(self._locked_row(connection)) == before and not before.is_under_way:
                self._go_on_behind(connection, position)

    def resync(self, before: DrainState, position: ProducerPosition, appended: Sequence[int]) -> bool:
        """Rows that the log has are deleted, and the drain goes on behind `position`. False as `begin` does nothing."""
        with transaction(self._database) as connection:
            if _state(self._locked_row(connection)) != before:
                return False
            for start in range(0, len(appended), BATCH_EVENTS_MAX):
                connection.execute(_DELETE, {"done": appended[start : start + BATCH_EVENTS_MAX]})
            self._go_on_behind(connection, position)
            return True

    def under_way(self) -> Batch | None:
        """The batch that has a sequence and was not settled."""
        with transaction(self._database) as connection:
            return self._under_way(connection, self._locked_row(connection))

    def next(self) -> Batch | None:
        """The batch under way, else a new one; None where nothing waits."""
        with transaction(self._database) as connection:
            row = self._locked_row(connection)
            return self._under_way(connection, row) or self._take(connection, row, row.sequence + 1)

    def settle(self, done: Batch, next_offset: int, *, take_next: bool) -> Batch | None:
        """Delete the rows of a batch that is appended; the next one, if it is wanted."""
        with transaction(self._database) as connection:
            row = self._locked_row(connection)
            if not _is(row, done):
                return self._under_way(connection, row)
            connection.execute(_DELETE, {"done": done.ids})
            self._set(connection, ids=None, next_offset=next_offset)
            return self._take(connection, row, done.sequence + 1) if take_next else None

    def narrow(self, batch: Batch) -> Batch | None:
        """The first half of a batch of which nothing was written, under its sequence."""
        half = len(batch.ids) // 2
        return self._change(batch, batch._replace(ids=batch.ids[:half], events=batch.events[:half]))

    def move(self, batch: Batch, log: str) -> Batch | None:
        """The same batch, of which nothing was written, for another log."""
        return self._change(batch, batch._replace(log=log))

    def refuse(self, batch: Batch, reason: str) -> Batch | None:
        """The only row of a batch becomes a dead letter; its sequence, which nobody got, goes to the next one."""
        with transaction(self._database) as connection:
            row = self._locked_row(connection)
            if not _is(row, batch):
                return self._under_way(connection, row)
            put_letter(connection, refused_row(self._stream, self._rows(connection, batch.ids)[0]), reason)
            connection.execute(_DELETE, {"done": batch.ids})
            self._set(connection, ids=None, sequence=batch.sequence - 1)
            return self._take(connection, row, batch.sequence)

    def _change(self, batch: Batch, changed: Batch) -> Batch | None:
        with transaction(self._database) as connection:
            row = self._locked_row(connection)
            if not _is(row, batch):
                return self._under_way(connection, row)
            self._set(connection, log=changed.log, ids=encode_ids(changed.ids))
            return changed

    def _take(self, connection: Connection, row: Row[Any], sequence: int) -> Batch | None:
        rows = self._choose(connection)
        if not rows:
            return None
        ids = tuple(row.id for row in rows)
        self._set(connection, sequence=sequence, ids=encode_ids(ids))
        return Batch(sequence, row.log, ids, tuple(map(event_of, rows)))

    def _choose(self, connection: Connection) -> list[Row[Any]]:
        """The lowest rows that are committed and wait, within the limits of one commit."""
        size = func.length(OUTBOX.c.payload) + func.coalesce(func.length(OUTBOX.c.headers), 0)
        mine = select(OUTBOX.c.id, size).where(OUTBOX.c.stream == self._stream)
        chosen: list[int] = []
        total_bytes = 0
        for row_id, size_bytes in connection.execute(mine.order_by(OUTBOX.c.id).limit(BATCH_EVENTS_MAX)).all():
            total_bytes += size_bytes
            if chosen and total_bytes > BATCH_BYTES_MAX:
                break
            chosen.append(row_id)
        return self._rows(connection, chosen)

    def _rows(self, connection: Connection, ids: Sequence[int]) -> list[Row[Any]]:
        """By range, which is quicker than a list of ids; rows between them that were committed since are left out."""
        if not ids:
            return []
        wanted = set(ids)
        mine = select(*_ROW_COLUMNS).where(OUTBOX.c.stream == self._stream, OUTBOX.c.id.between(ids[0], ids[-1]))
        return [row for row in connection.execute(mine.order_by(OUTBOX.c.id)).all() if row.id in wanted]

    def _under_way(self, connection: Connection, row: Row[Any]) -> Batch | None:
        if row.ids is None:
            return None
        ids = decode_ids(row.ids)
        return Batch(row.sequence, row.log, ids, tuple(map(event_of, self._rows(connection, ids))))

    def _locked_row(self, connection: Connection) -> Row[Any]:
        mine = select(OUTBOX_BATCHES).where(OUTBOX_BATCHES.c.stream == self._stream)
        return connection.execute(mine.with_for_update()).one()

    def _go_on_behind(self, connection: Connection, position: ProducerPosition) -> None:
        self._set(connection, **position._asdict(), ids=None)

    def _set(self, connection: Connection, **values: object) -> None:
        connection.execute(update(OUTBOX_BATCHES).where(OUTBOX_BATCHES.c.stream == self._stream).values(**values))


_DELETE = delete(OUTBOX).where(OUTBOX.c.id.in_(bindparam("done", expanding=True)))


def _is(row: Row[Any], batch: Batch) -> bool:
    return (row.sequence, row.log, row.ids) == (batch.sequence, batch.log, encode_ids(batch.ids))


def _state(row: Row[Any]) -> DrainState:
    return DrainState(row.sequence, row.log, row.next_offset, row.ids is not None)


def event_of(row: Row[Any]) -> Event:
    """The event as it was put."""
    _, payload, key, event_id, event_type, source, time_ms, headers = tuple(row)
    return Event(payload, key, event_id, event_type, source, time_ms, decode_headers(headers))


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
