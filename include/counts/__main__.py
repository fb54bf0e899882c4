"""`python -m include.counts`: what went in and what came out, without Airflow."""

from __future__ import annotations

import sys

from spool.command_line import Program, VerbEntry

_COMMANDS = "include.counts.commands"

PROGRAM = Program(
    name="python -m include.counts",
    description="What went into each stage, and what became of it.",
    verbs={
        "show": VerbEntry("what this host has counted, one row per stage and day", _COMMANDS, "SHOW"),
        "open": VerbEntry("the items and batches that have not come out, by name", _COMMANDS, "OPEN"),
        "check": VerbEntry("compare in with out in the table of all installations", _COMMANDS, "CHECK"),
    },
    epilog="The books are in the state folder. The table is in SPILLWAY_DATABASE_URI.",
)

main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
