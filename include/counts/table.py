"""
The table `stage_counts` in MariaDB, to which the books of every installation are sent.

    stage_counts(feature, stage, day, installation, in, out, quarantined, errored)      key: the first four

Rows hold absolute sums, not additions, so the same day may be sent again after every run and every kill. The table
itself is made by the migrations of include/database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from sqlalchemy import Engine, select
from sqlalchemy.dialects.mysql import insert

from include.counts.stage_count import Counts, StageCount
from include.database.connection import transaction
from include.database.tables import STAGE_COUNTS

_COLUMNS = [column.name for column in STAGE_COUNTS.columns]

# The row of a day on which nothing was counted: it says that the counts were sent all the same.
SENT_FEATURE, SENT_STAGE = "stage_counts", "sent"


class StageCounts:
    """Each call is one transaction of its own. SchemaOutdated when the migrations were not run."""

    def __init__(self, database: Engine) -> None:
        self._database = database

    def put(self, counts: Iterable[StageCount]) -> int:
        """Insert or replace rows, all in one transaction. Durable when it returns the number of rows."""
        rows = [dict(zip(_COLUMNS, count, strict=True)) for count in counts]
        if not rows:
            return 0
        statement = insert(STAGE_COUNTS)
        sums = {name: statement.inserted[name] for name in _COLUMNS if not STAGE_COUNTS.c[name].primary_key}
        with transaction(self._database) as connection:
            connection.execute(statement.on_duplicate_key_update(sums), rows)
        return len(rows)

    def read(self, since: date, through: date) -> list[StageCount]:
        """Rows of these days, both included, sorted."""
        table = STAGE_COUNTS.c
        query = select(STAGE_COUNTS).where(table.day.between(since, through))
        with transaction(self._database) as connection:
            rows = connection.execute(query.order_by(table.day, table.feature, table.stage, table.installation)).all()
        return [StageCount(*row) for row in rows]


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
