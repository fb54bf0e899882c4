"""
Errors of the measurements, leaves of the engine's tree.

    TerminalError
    ├── MeasurementReportRefused  one report cannot be processed; it is moved to errored/<reason>, the next one follows
    ├── MeasurementReportsStuck   some reports can neither be processed nor be moved to errored; all others were
    ├── MongoRefused              MongoDB will never do what is asked (credentials, command)
    └── RestoreRefused            the archived report cannot be restored as asked; nothing was changed
    TransientError
    ├── MongoUnavailable       MongoDB does not answer, or not well
    └── SanitizerUnavailable   the sanitizer that a restore starts cannot run now; nothing was changed
"""

from __future__ import annotations

from spool.errors import TerminalError, TransientError


class MeasurementReportRefused(TerminalError):
    """`reason` is the name of a folder below errored/."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(
            message, hint=f"see errored/{reason}; `python -m include.measurements.sanitize redrive` sends it back"
        )
        self.reason = reason


class MeasurementReportsStuck(TerminalError):
    """Raised at the end of a run; the message names them."""


class MongoRefused(TerminalError):
    """Trying again gives the same answer."""


class RestoreRefused(TerminalError):
    """The archive, the state folders or the sanitizer's answer do not allow it."""


class MongoUnavailable(TransientError):
    """Not reachable, no primary, or it took too long."""


class SanitizerUnavailable(TransientError):
    """The sanitizer ended with the exit code that says: try again."""
