"""
The table `stage_counts` in MariaDB, to which the books of every installation are sent.

    stage_counts(feature, stage, day, installation, in, out, quarantined, errored)      key: the first four

Rows hold absolute sums, not additions, so the same day may be sent again after every run and every kill. A row that is
new or has other sums is emitted as `stage_count.changed`, in the transaction that changes it (include/outbox). The
table itself is made by the migrations of include/database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from sqlalchemy import Connection, Engine, select, tuple_
from sqlalchemy.dialects.mysql import insert

from include.counts.events import StageCounted
from include.counts.stage_count import Counts, StageCount
from include.database.connection import transaction
from include.database.tables import STAGE_COUNTS
from include.outbox.write import emit
from spool.settings import Settings

_COLUMNS = [column.name for column in STAGE_COUNTS.columns]

_UPSERT = insert(STAGE_COUNTS)
_UPSERT = _UPSERT.on_duplicate_key_update(
    {column.name: _UPSERT.inserted[column.name] for column in STAGE_COUNTS.columns if not column.primary_key}
)
SOURCE = "spillway/counts"

# The row of a day on which nothing was counted: it says that the counts were sent all the same.
SENT_FEATURE, SENT_STAGE = "stage_counts", "sent"


class StageCounts:
    """Each call is one transaction of its own. SchemaOutdated when the migrations were not run."""

    def __init__(self, database: Engine, known: Settings) -> None:
        """`known` are the streams, of which one gets the changes."""
        self._database, self._known = database, known

    def put(self, counts: Iterable[StageCount]) -> int:
        """
        Insert or replace rows and emit what changes, in one transaction. Durable when it returns the number of rows.

        Two that send at the same time may both emit; the last event of a row says what is in the table.
        """
        rows = list(counts)
        if not rows:
            return 0
        with transaction(self._database) as connection:
            if changed := _changed(connection, rows):
                connection.execute(_UPSERT, [dict(zip(_COLUMNS, row, strict=True)) for row in changed])
                emit(connection, self._known, map(_event, changed), source=SOURCE)
        return len(rows)

    def read(self, since: date, through: date) -> list[StageCount]:
        """Rows of these days, both included, sorted."""
        table = STAGE_COUNTS.c
        query = select(STAGE_COUNTS).where(table.day.between(since, through))
        with transaction(self._database) as connection:
            rows = connection.execute(query.order_by(table.day, table.feature, table.stage, table.installation)).all()
        return [StageCount(*row) for row in rows]


def _changed(connection: Connection, rows: Sequence[StageCount]) -> list[StageCount]:
    """The rows that are not in the table as they are."""
    keys = tuple_(*STAGE_COUNTS.primary_key.columns)
    before = connection.execute(select(STAGE_COUNTS).where(keys.in_([row[:4] for row in rows])))
    same = {tuple(row) for row in before}
    return [row for row in rows if tuple(row) not in same]


def _event(row: StageCount) -> StageCounted:
    return StageCounted(row.feature, row.stage, row.day.isoformat(), row.installation, *row[4:])


def send(
    books: Sequence[Counts], table: StageCounts, since: date | None = None, more: Iterable[StageCount] = ()
) -> int:
    """
    Send the sums of the books of one installation, and `more` rows, to the table. Durable when it returns how many.

    A stage that is counted in two books has the sum of both. Where nothing was counted today, a row of zeros says that
    they were sent.
    """
    rows = _added([*(row for book in books for row in book.counts(since)), *more])
    today = datetime.now(UTC).date()
    if not any(row.day == today for row in rows):
        rows.append(StageCount(SENT_FEATURE, SENT_STAGE, today, books[0].installation, 0, 0, 0, 0))
    return table.put(rows)


def _added(rows: Iterable[StageCount]) -> list[StageCount]:
    """One row for each key of the table: a second one would replace the first."""
    added: dict[tuple[object, ...], StageCount] = {}
    for row in rows:
        key = row[:4]
        before = added.get(key)
        added[key] = row if before is None else StageCount(*key, *map(sum, zip(before[4:], row[4:], strict=True)))
    return list(added.values())
