"""
The table `stage_counts` in MariaDB, which every feature fills, and the check that nothing was lost.

    stage_counts(feature, stage, day, installation, in, out, quarantined, errored)      key: the first four

Rows hold absolute sums, not additions, so a feature may send the same day again after every run and every kill.
Each feature keeps its own sums: for those that move files it is stage_ledger.py. The table itself is made by the
migrations of include/database.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from sqlalchemy import Engine, select
from sqlalchemy.dialects.mysql import insert

from include.common.stage_ledger import StageCount, StageLedger
from include.database.connection import transaction
from include.database.tables import STAGE_COUNTS
from spool.errors import TerminalError

_COLUMNS = [column.name for column in STAGE_COUNTS.columns]


# The row of a day on which nothing was counted: it says that the counts were sent all the same.
SENT_FEATURE, SENT_STAGE = "stage_counts", "sent"


class CountsDiffer(TerminalError):
    """What went into a stage is not what came out of it."""


class CountsMissing(TerminalError):
    """The table is empty or old: where nothing is counted, nothing can differ."""


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
    ledger: StageLedger, table: StageCounts | None, since: date | None = None, more: Iterable[StageCount] = ()
) -> int:
    """
    Send the sums of a ledger, and `more` rows, to the table; without a table (a run by hand) nothing. Rows sent.

    Where nothing was counted today, a row of zeros says that they were sent.
    """
    if table is None:
        return 0
    rows = [*ledger.counts(since), *more]
    today = datetime.now(UTC).date()
    if not any(row.day == today for row in rows):
        rows.append(StageCount(SENT_FEATURE, SENT_STAGE, today, ledger.installation, 0, 0, 0, 0))
    return table.put(rows)


def differences(counts: Iterable[StageCount]) -> list[StageCount]:
    """The rows where in != out + quarantined + errored."""
    return [count for count in counts if count.difference]


def demand_fresh(counts: Iterable[StageCount], day: date) -> None:
    """CountsMissing unless every installation in `counts` has sent some on `day` or later, and there is one."""
    latest: dict[str, date] = {}
    for count in counts:
        latest[count.installation] = max(count.day, latest.get(count.installation, date.min))
    hint = "look at the task send_counts of the DAGs that move measurement reports; is MariaDB reachable from there?"
    if not latest:
        raise CountsMissing("the table stage_counts has no rows of these days", hint=hint)
    if old := sorted(f"{name} (last on {last})" for name, last in latest.items() if last < day):
        raise CountsMissing(f"no counts of {day} or later from {', '.join(old)}", hint=hint)


def check(counts: Iterable[StageCount]) -> int:
    """The number of rows checked; CountsDiffer names every difference."""
    rows = list(counts)
    if wrong := differences(rows):
        named = "; ".join(
            f"{c.feature}.{c.stage} of {c.installation} on {c.day}: in {c.count_in} != out {c.count_out}"
            f" + quarantined {c.quarantined} + errored {c.errored} (difference {c.difference})"
            for c in wrong
        )
        raise CountsDiffer(named, hint="docs/runbooks/counts-differ.md says how to find the items")
    return len(rows)
