"""
Brings the drain of a stream and the spool together again, after a backup of one of them was restored or a log was lost.

    1. what the current log knows of the drain        its last sequence, and where that ends
    2. which rows are in a log although they wait     by event id, in all that was appended behind the drain's position
    3. those rows are deleted, and the drain goes on behind the log's last sequence, in one transaction

What a lost log had and nobody shipped is sent again; what the spool lost and the database has deleted cannot come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sqlalchemy import Engine, select

from include.database.connection import transaction
from include.database.errors import DatabaseUnavailable
from include.database.tables import OUTBOX
from include.outbox.batches import Batches
from include.outbox.drain import IdempotentAppend, producer_name
from spool.names import LogName

AppendedIds = Callable[[LogName, int, str], Iterator[str]]
"""(log, offset, current log): the ids of events from the offset on, of the log, its successors and the current one."""


class ResyncPlan(NamedTuple):
    """
    What a resync finds and does.

    database_sequence  the last one that the drain gave
    log_sequence       the last one that the current log knows; 0 = it does not know the drain
    waiting            rows of the stream
    appended           of these, how many are in a log already: they are deleted
    """

    stream: str
    log: str
    database_sequence: int
    log_sequence: int
    waiting: int
    appended: int


def resync(
    database: Engine,
    spool: IdempotentAppend,
    installation: str,
    stream: str,
    appended_ids: AppendedIds,
    *,
    dry_run: bool,
) -> ResyncPlan:
    """
    The plan; done, durably, unless `dry_run`.

    DatabaseUnavailable where a drain is at work, errors of the spool and the object store: nothing was changed.
    """
    batches = Batches(database, stream)
    with batches.alone() as alone:
        if not alone:
            raise _busy(stream)
        state = batches.state()
        known = spool.last_of(stream, producer_name(installation, stream))
        # Behind the drain's position, so that a log of any length costs what was appended since.
        begins = LogName(stream, state.log or known.log)
        appended = Counter(appended_ids(begins, state.next_offset, known.log))
        ids, waiting = _appended(database, stream, appended)
        if not dry_run and not batches.resync(state, known, ids):
            raise _busy(stream)
    return ResyncPlan(stream, known.log, state.sequence, known.sequence, waiting, len(ids))


def _appended(database: Engine, stream: str, appended: Counter[str]) -> tuple[list[int], int]:
    """The rows whose event is in a log, and how many rows there are. Of rows with one event id, the first."""
    mine = select(OUTBOX.c.id, OUTBOX.c.event_id).where(OUTBOX.c.stream == stream).order_by(OUTBOX.c.id)
    with transaction(database) as connection:
        rows = connection.execute(mine).all()
    ids = []
    for row_id, event_id in rows:
        if appended[event_id]:
            appended[event_id] -= 1
            ids.append(row_id)
    return ids, len(rows)


def _busy(stream: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"a drain of {stream} is at work", hint="pause the DAG outbox_drain, then try again")
