"""
The shell of every command line: `python -m spool` and `python -m include.<feature>`.

`Program` finds the verb, imports what that verb needs and nothing else, and turns every error into a message, a hint
and an exit code. `Output` prints: tables and sentences for a person, one JSON object a line for a program.
"""

from spool.command_line.exit_codes import ExitCode, UsageError
from spool.command_line.output import Output, Row
from spool.command_line.program import Program, Verb, VerbEntry

__all__ = ["ExitCode", "Output", "Program", "Row", "UsageError", "Verb", "VerbEntry"]
