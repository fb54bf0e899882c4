"""`python -m include.outbox`: what waits in MariaDB, and its way into the spool, without Airflow."""

from __future__ import annotations

import sys

from spool.command_line import Program, VerbEntry

_COMMANDS = "include.outbox.commands"

PROGRAM = Program(
    name="python -m include.outbox",
    description="Events that were written beside a change in MariaDB, and their way into the spool.",
    verbs={
        "status": VerbEntry("what waits, a row for each stream", _COMMANDS, "STATUS"),
        "drain": VerbEntry("append what waits to the spool, once", _COMMANDS, "DRAIN"),
        "resync": VerbEntry("compare with the log after a restored backup, and go on", _COMMANDS, "RESYNC"),
    },
    epilog="The database: SPILLWAY_DATABASE_URI, mysql://user:password@host:3306/database.",
)

main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
