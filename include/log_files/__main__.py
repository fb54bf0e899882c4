"""`python -m include.log_files /var/log/dpkg.log --json`: the same intake without Airflow."""

from __future__ import annotations

import sys

from spool.command_line import Program, VerbEntry

PROGRAM = Program(
    name="python -m include.log_files",
    description="Append the lines of log files to a stream.",
    verbs={"": VerbEntry("append the lines of log files", "include.log_files.command")},
)

main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
