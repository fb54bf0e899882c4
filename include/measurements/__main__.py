"""`python -m include.measurements`: import, publication and restore of measurement reports without Airflow."""

from __future__ import annotations

import sys

from spool.command_line import Program, VerbEntry

_COMMANDS = "include.measurements.commands"

PROGRAM = Program(
    name="python -m include.measurements",
    description="Import, publish and restore measurement reports.",
    verbs={
        "postprocess": VerbEntry("staging -> reports", _COMMANDS, "POSTPROCESS"),
        "import": VerbEntry("reports -> MongoDB -> imported, then the table of blocked bridges", _COMMANDS, "IMPORT"),
        "publish": VerbEntry("imported -> public", _COMMANDS, "PUBLISH"),
        "restore": VerbEntry("sanitize archived originals again", _COMMANDS, "RESTORE"),
        "serve": VerbEntry("the public folder over HTTP", _COMMANDS, "SERVE"),
    },
    epilog="A run that finds bad measurement reports and deals with them is done: exit code 0.",
)

main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
