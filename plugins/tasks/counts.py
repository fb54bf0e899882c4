"""The table of stage counts: sent by every DAG that moves reports, compared by `conservation_check`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator

from plugins.conf import known_only
from plugins.connections import count_books, mariadb
from plugins.connections.host_folders import state_folder
from plugins.dag_defaults import task

LOGGER = logging.getLogger(__name__)

# So long a report's way through the stages can be followed by name in the ledger, and a batch done again adds nothing.
NOTES_KEPT_DAYS = 90


@task
def send_counts() -> dict[str, int]:
    """What went in and out of every stage, into the table stage_counts; whatever became of the tasks before."""
    return send()


def counts_sent() -> EmptyOperator:
    """
    The task behind `send_counts().as_teardown()`: red where the counts were not sent, and so is the run then.

    Without it nobody would see that: a teardown's failure leaves a run green. With `on_failure_fail_dagrun`, the
    teardown would be the only task that the state of the run is made of, and a failure of the work itself would be
    hidden (Airflow 3.3, `DagRun._tis_for_dagrun_state`).
    """
    return EmptyOperator(task_id="counts_sent", doc="Succeeds when the counts were sent; fails the run otherwise.")


def send() -> dict[str, int]:
    """Send the sums of both books to the table; old notes are folded into sums. May be sent any number of times."""
    from include.counts import table as stage_counts
    from include.measurements import stage_handoffs
    from include.measurements.state_folders import StateFolders

    today = datetime.now(UTC).date()
    kept_since = today - timedelta(days=NOTES_KEPT_DAYS)
    with count_books.ledger() as ledger, count_books.numbers() as numbers:
        for book in (ledger, numbers):
            book.fold(kept_since)
        table = mariadb.counts_table()
        handoffs = stage_handoffs.counts(ledger, StateFolders(state_folder()), table.read(kept_since, today))
        return {"rows": stage_counts.send([ledger, numbers], table, more=handoffs)}


def check_counts(params: Mapping[str, Any]) -> dict[str, int]:
    """
    Compare in with out for every stage, and what one put out with what the next took.

    On the first day there is nothing yet: neither rows in the table nor a note in a book of this installation.
    CountsDiffer names what differs; CountsMissing, who has sent no counts.
    """
    conf = known_only(params, "days", "include_today")
    from include.counts import check

    today = datetime.now(UTC).date()
    through = today if conf["include_today"] else today - timedelta(days=1)
    table = mariadb.counts_table()
    rows = table.read(today - timedelta(days=conf["days"]), today)
    if not rows and not _counted_here(through):
        LOGGER.info("nothing was counted on %s or before, here or elsewhere: there is nothing to compare", through)
        return {"rows": 0}
    check.demand_fresh(rows, through)
    return {"rows": check.check(row for row in rows if row.day <= through)}


def _counted_here(through: date) -> bool:
    """A book of this installation has counts that should be in the table."""
    with count_books.ledger() as ledger, count_books.numbers() as numbers:
        return any(count.day <= through for book in (ledger, numbers) for count in book.counts())
