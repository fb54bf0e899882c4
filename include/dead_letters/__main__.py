"""`python -m include.dead_letters`: what features could not process."""

from __future__ import annotations

import sys

from spool.command_line import Program, VerbEntry

_COMMANDS = "include.dead_letters.commands"

PROGRAM = Program(
    name="python -m include.dead_letters",
    description="What features could not process: look at it, give it back to its feature, or give it up.",
    verbs={
        "list": VerbEntry("list letters, the oldest first within a feature", _COMMANDS, "LIST"),
        "show": VerbEntry("print one letter with all that is known of it", _COMMANDS, "SHOW"),
        "requeue": VerbEntry("give letters back to their features, once", _COMMANDS, "REQUEUE"),
        "discard": VerbEntry("give letters up for good, with a reason", _COMMANDS, "DISCARD"),
    },
    epilog="The database: SPILLWAY_DATABASE_URI, mysql://user:password@host:3306/database.",
)

main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
