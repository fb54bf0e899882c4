"""`python -m include.warehouse sync --json`: the warehouse without Airflow."""

from __future__ import annotations

import sys

from spool.command_line import Program, VerbEntry

_COMMANDS = "include.warehouse.commands"

PROGRAM = Program(
    name="python -m include.warehouse",
    description="Copy tables of MariaDB into the warehouse.",
    verbs={
        "sync": VerbEntry("bring tables up to date", _COMMANDS, "SYNC"),
        "reconcile": VerbEntry(
            "compare the keys of tables that follow changes, merge what differs", _COMMANDS, "RECONCILE"
        ),
        "cdc": VerbEntry("show how far tables that follow changes are behind", _COMMANDS, "CDC"),
        "types": VerbEntry("show what becomes of the columns of a table", _COMMANDS, "TYPES"),
        "history": VerbEntry("show the snapshots that are kept", _COMMANDS, "HISTORY"),
    },
)

main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
