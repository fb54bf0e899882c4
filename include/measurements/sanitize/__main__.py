"""`python -m include.measurements.sanitize`: the sanitizer without Airflow."""

from __future__ import annotations

import sys

from spool.command_line import Program, VerbEntry

_COMMANDS = "include.measurements.sanitize.commands"

PROGRAM = Program(
    name="python -m include.measurements.sanitize",
    description="Sanitize measurement reports.",
    verbs={
        "run": VerbEntry("sanitize every batch that waits", _COMMANDS, "RUN"),
        "explain": VerbEntry("which rule touched what, and why something was held", _COMMANDS, "EXPLAIN"),
        "redrive": VerbEntry("send held measurement reports back", _COMMANDS, "REDRIVE"),
    },
    epilog="A run that holds measurement reports back is done: exit code 0.",
)

main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
