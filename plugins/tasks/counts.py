"""The table of stage counts: sent by every DAG that moves reports, compared by `conservation_check`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from plugins.conf import known_only
from plugins.connections import mariadb, measurement_state
from plugins.dag_defaults import task

# So long a report's way through the stages can be followed by name in the ledger.
NOTES_KEPT_DAYS = 90


@task
def send_counts() -> dict[str, int]:
    """What went in and out of every stage, into the table stage_counts; whatever became of the tasks before."""
    return send()


def send() -> dict[str, int]:
    """Send the ledger's sums to the table; old notes are folded into sums. May be sent any number of times."""
    from include.common import stage_counts

    with measurement_state.ledger() as ledger:
        ledger.fold((datetime.now(UTC) - timedelta(days=NOTES_KEPT_DAYS)).date())
        table = mariadb.counts_table()
        table.create_table()
        return {"rows": stage_counts.send(ledger, table)}


def check_counts(params: Mapping[str, Any]) -> dict[str, int]:
    """Compare in with out for every stage; CountsDiffer names what differs."""
    conf = known_only(params, "days", "include_today")
    from include.common import stage_counts

    today = datetime.now(UTC).date()
    through = today if conf["include_today"] else today - timedelta(days=1)
    table = mariadb.counts_table()
    table.create_table()
    return {"rows": stage_counts.check(table.read(today - timedelta(days=conf["days"]), through))}
