"""`python -m include.measurements.collect`: the collectors without Airflow."""

from __future__ import annotations

import sys

from spool.command_line import Program, VerbEntry

_COMMANDS = "include.measurements.collect.commands"

PROGRAM = Program(
    name="python -m include.measurements.collect",
    description="Collect finished batches of measurement reports from their hosts.",
    verbs={
        "sync": VerbEntry("pull what is finished", _COMMANDS, "SYNC"),
        "announce": VerbEntry("print the announcement of a finished batch", _COMMANDS, "ANNOUNCE"),
    },
    epilog="Of several hosts that fail, one that needs a person decides the exit code.",
)

main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
