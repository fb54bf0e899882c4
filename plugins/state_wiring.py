"""
What the tasks that move files share: the state folder, its ledger, the stream of state changes, the table of counts.

    variable SPILLWAY_STATE         the state folder of this host
    variable SPILLWAY_INSTALLATION  its name in the table of counts (default: local)
    connection mariadb_app          the database with the table stage_counts
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugins import wiring
from plugins.spool_runs import known_only

if TYPE_CHECKING:
    from include.common.emit import Emit
    from include.common.stage_counts import StageCounts
    from include.common.stage_ledger import StageLedger

MARIADB_APP = "mariadb_app"
MEASUREMENTS_STREAM = "measurements"
# So long a report's way through the stages can be followed by name in the ledger.
NOTES_KEPT_DAYS = 90


def state_folder() -> Path:
    """The root of all state folders; SettingsError where the variable is missing."""
    from spool.errors import SettingsError

    if not (folder := os.environ.get("SPILLWAY_STATE", "")):
        raise SettingsError("SPILLWAY_STATE is not set", hint="set it for every Airflow component; `make up` does")
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path


def ledger() -> StageLedger:
    """The ledger beside the state folders."""
    from include.common.stage_ledger import StageLedger

    return StageLedger(state_folder(), os.environ.get("SPILLWAY_INSTALLATION", "local"))


def events(source: str) -> Emit:
    """State changes onto the stream `measurements` of this host's spool."""
    from include.common.spool_events import spool_events

    return spool_events(wiring.spool_client().append, MEASUREMENTS_STREAM, source)


def counts_table() -> StageCounts:
    """The table in MariaDB; connections are opened per call, by the provider's hook."""
    from include.common.stage_counts import StageCounts

    return StageCounts(_connect)


def _connect() -> Any:
    from airflow.providers.mysql.hooks.mysql import MySqlHook

    wiring.connection(MARIADB_APP)
    return MySqlHook(mysql_conn_id=MARIADB_APP).get_conn()


def send_counts() -> dict[str, int]:
    """Send the ledger's sums to the table; old notes are folded into sums. May be sent any number of times."""
    from datetime import UTC, datetime, timedelta

    from include.common import stage_counts

    with ledger() as opened:
        opened.fold((datetime.now(UTC) - timedelta(days=NOTES_KEPT_DAYS)).date())
        table = counts_table()
        table.create_table()
        return {"rows": stage_counts.send(opened, table)}


def check_counts(params: Mapping[str, Any]) -> dict[str, int]:
    """Compare in with out for every stage; CountsDiffer names what differs."""
    conf = known_only(params, "days", "include_today")
    from datetime import UTC, datetime, timedelta

    from include.common import stage_counts

    today = datetime.now(UTC).date()
    through = today if conf["include_today"] else today - timedelta(days=1)
    table = counts_table()
    table.create_table()
    return {"rows": stage_counts.check(table.read(today - timedelta(days=conf["days"]), through))}
