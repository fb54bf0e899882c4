"""What waits in the outbox: for the command line, a task's log and a dry run of the drain. Reads only."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine, func, select

from include.database.connection import transaction
from include.database.tables import OUTBOX, OUTBOX_BATCHES
from spool.clock import rfc3339


class StreamWaiting(NamedTuple):
    """
    One stream's rows.

    waiting    committed rows that are not deleted yet; those under way are among them
    oldest     time of the event that waits first, RFC 3339 in UTC; empty where none waits
    under_way  rows that have a sequence and are not known to be appended
    sequence   the last one that the drain gave, 0 = none yet
    log        the log it was given to
    """

    stream: str
    waiting: int
    oldest: str
    under_way: int
    sequence: int
    log: str


def waiting(database: Engine) -> list[StreamWaiting]:
    """Every stream that ever had rows drained, or has some now, sorted by name. Errors as `transaction`."""
    count, first = func.count().label("rows"), func.min(OUTBOX.c.id).label("first")
    by_stream = select(OUTBOX.c.stream, count, first).group_by(OUTBOX.c.stream).subquery()
    rows = select(by_stream.c.stream, by_stream.c.rows, OUTBOX.c.time_ms).join(OUTBOX, OUTBOX.c.id == by_stream.c.first)
    with transaction(database) as connection:
        waits = {row.stream: (row.rows, rfc3339(row.time_ms)) for row in connection.execute(rows)}
        given = {row.stream: row for row in connection.execute(select(OUTBOX_BATCHES))}
    return [
        StreamWaiting(
            stream,
            *waits.get(stream, (0, "")),
            len(row.ids or b"") // 8 if (row := given.get(stream)) else 0,
            row.sequence if row else 0,
            row.log if row else "",
        )
        for stream in sorted({*waits, *given})
    ]
