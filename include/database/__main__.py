"""`python -m include.database`: the operational schema without Airflow."""

from __future__ import annotations

import sys

from spool.command_line import Program, VerbEntry

_COMMANDS = "include.database.commands"

PROGRAM = Program(
    name="python -m include.database",
    description="Look at the operational schema in MariaDB, or bring it to the revision of this program.",
    verbs={
        "status": VerbEntry("the revision of the database and what it lacks", _COMMANDS, "STATUS"),
        "upgrade": VerbEntry("run the revisions that it lacks", _COMMANDS, "UPGRADE"),
    },
    epilog="The database: SPILLWAY_DATABASE_URI, mysql://user:password@host:3306/database.",
)

main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
