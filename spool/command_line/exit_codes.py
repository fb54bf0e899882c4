"""The exit codes of every command line of the project, and which error ends with which."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from spool.errors import AppendUnknown, SpoolError, TerminalError, TransientError, VerifyFailed


class ExitCode(IntEnum):
    """A caller may rely on these: a script retries on TRY_AGAIN and on nothing else."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    TRY_AGAIN = 3
    UNKNOWN = 4
    DIFFERENCE = 5
    DEFECT = 6
    INTERRUPTED = 130


class UsageError(TerminalError):
    """Options that do not go together; what argparse cannot check."""


MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed: trying again gives the same result; the hint says what to do",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.TRY_AGAIN: "trying again may help: a neighbour does not respond, or another run is at work",
    ExitCode.UNKNOWN: "append: the outcome is unknown, the events may or may not be durable",
    ExitCode.DIFFERENCE: "verify: the archive and Kafka differ",
    ExitCode.DEFECT: "a defect of the program; --verbose shows where",
    ExitCode.INTERRUPTED: "interrupted",
}


def exit_code(error: SpoolError) -> ExitCode:
    """The code that a command ends with when `error` ends it."""
    if isinstance(error, AppendUnknown):
        return ExitCode.UNKNOWN
    if isinstance(error, VerifyFailed):
        return ExitCode.DIFFERENCE
    if isinstance(error, UsageError):
        return ExitCode.USAGE
    return ExitCode.TRY_AGAIN if isinstance(error, TransientError) else ExitCode.FAILED


def worst(errors: Iterable[SpoolError]) -> ExitCode:
    """The code for several units of which some failed: TRY_AGAIN only if trying again may help all of them."""
    codes = {exit_code(error) for error in errors}
    if not codes:
        return ExitCode.DONE
    return ExitCode.TRY_AGAIN if codes == {ExitCode.TRY_AGAIN} else max(codes - {ExitCode.TRY_AGAIN})
