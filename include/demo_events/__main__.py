"""`python -m include.demo_events --events 1000 --json`: the same load without Airflow."""

from __future__ import annotations

import sys

from spool.command_line import Program, VerbEntry

PROGRAM = Program(
    name="python -m include.demo_events",
    description="Generate and append a demo load.",
    verbs={"": VerbEntry("append a demo load", "include.demo_events.command")},
)

main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
