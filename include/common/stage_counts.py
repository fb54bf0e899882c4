"""
The table `stage_counts` in MariaDB, which every feature fills, and the check that nothing was lost.

    stage_counts(feature, stage, day, installation, in, out, quarantined, errored)      key: the first four

Rows hold absolute sums, not additions, so a feature may send the same day again after every run and every kill.
Who keeps the sums is the feature's business: for those that move files it is stage_ledger.py.

Takes any DB-API 2 connection with the paramstyle `format` (mysqlclient and pymysql have it); commits each call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

from include.common.stage_ledger import StageCount, StageLedger
from spool.errors import TerminalError

TABLE = """
CREATE TABLE IF NOT EXISTS stage_counts (
  feature VARCHAR(64) NOT NULL,
  stage VARCHAR(64) NOT NULL,
  day DATE NOT NULL,
  installation VARCHAR(64) NOT NULL,
  `in` BIGINT UNSIGNED NOT NULL,
  `out` BIGINT UNSIGNED NOT NULL,
  quarantined BIGINT UNSIGNED NOT NULL,
  errored BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (feature, stage, day, installation)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""
_COLUMNS = "feature, stage, day, installation, `in`, `out`, quarantined, errored"

Connect = Callable[[], Any]


# The row of a day on which nothing was counted: it says that the counts were sent all the same.
SENT_FEATURE, SENT_STAGE = "stage_counts", "sent"


class CountsDiffer(TerminalError):
    """What went into a stage is not what came out of it."""


class CountsMissing(TerminalError):
    """The table is empty or old: where nothing is counted, nothing can differ."""


class StageCounts:
    """`connect` opens a connection; each call uses one of its own and closes it."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def create_table(self) -> None:
        """Create it where it is missing; an existing one is left as it is."""
        self._execute(TABLE)

    def put(self, counts: Iterable[StageCount]) -> int:
        """Insert or replace rows, all in one transaction. Durable when it returns the number of rows."""
        rows = [tuple(count) for count in counts]
        if not rows:
            return 0
        marks = ", ".join(["%s"] * len(StageCount._fields))
        with closing(self._connect()) as connection:
            connection.cursor().executemany(f"REPLACE INTO stage_counts ({_COLUMNS}) VALUES ({marks})", rows)  # noqa: S608 - our own constants
            connection.commit()
        return len(rows)

    def read(self, since: date, through: date) -> list[StageCount]:
        """Rows of these days, both included, sorted."""
        rows = self._execute(
            f"SELECT {_COLUMNS} FROM stage_counts WHERE day BETWEEN %s AND %s "  # noqa: S608 - our own constants
            "ORDER BY day, feature, stage, installation",
            (since, through),
        )
        return [StageCount(*row[:4], *map(int, row[4:])) for row in rows]

    def _execute(self, statement: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with closing(self._connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            rows = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
        return rows


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
