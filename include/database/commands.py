"""The verbs of `python -m include.database`."""

from __future__ import annotations

import argparse

from include.database import migrate
from include.database.connection import database_from_environment
from spool.command_line import Output, Verb


def _status(options: argparse.Namespace, output: Output) -> int:
    status = migrate.status(database_from_environment())
    row = {**status._asdict(), "pending": list(status.pending)}
    at = f"the operational schema is at revision {status.current or 'none'}"
    lacks = f"lacks {', '.join(status.pending)}: run `upgrade`" if status.pending else "lacks nothing"
    output.result(row, f"{at}, {lacks}")
    return 0


def _upgrade(options: argparse.Namespace, output: Output) -> int:
    before = migrate.upgrade(database_from_environment())
    row = {"before": before.current, "current": before.wanted, "ran": list(before.pending)}
    ran = f"ran {', '.join(before.pending)}" if before.pending else "had nothing to run"
    output.result(row, f"{ran}; the operational schema is at revision {before.wanted}")
    return 0


def _no_options(parser: argparse.ArgumentParser) -> None:
    """Everything is in the environment."""


STATUS = Verb(
    "Shows the revision of the database and the revisions that it lacks. Changes nothing.", _no_options, _status
)
UPGRADE = Verb(
    "Runs the revisions that the database lacks, in order. May be run again at any time, also after a run that died. "
    "Refuses a database that a newer version of this program has migrated.",
    _no_options,
    _upgrade,
)
