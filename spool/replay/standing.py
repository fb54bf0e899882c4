"""
How each log of a stream stands: its error, when it is tried again, how large its transactions are.

State, back-off, errors and alarms are per log, so that what stops one log is seen, and stops no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from spool.alarm import AlarmSink
from spool.clock import Deadline, boottime_ns
from spool.errors import LogGap, NotOwner, SettingsError, SpoolError, TerminalError
from spool.names import LogName
from spool.replay.pace import Pace

LOGGER = logging.getLogger(__name__)

# A log that failed is tried again after this long, its first failure first; the last figure stays.
RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# An error that passes by itself is an alarm when it has lasted this long.
LASTING_S = 600.0


class Standing:
    """One log's."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.error: Exception | None = None
        self.retry_at = Deadline(0)
        self._failures = 0
        self._since_ns = 0
        # Perhaps: an earlier run may have left the alarm open.
        self.alarmed = True

    def failed(self, error: Exception) -> bool:
        """Note an error and when to try again; whether it is another one than before."""
        is_new = self.error is None or str(self.error) != str(error)
        if self.error is None:
            self._since_ns = boottime_ns()
        self.error = error
        self.retry_at = Deadline.after(RETRY_S[min(self._failures, len(RETRY_S) - 1)])
        self._failures += 1
        return is_new

    def succeeded(self) -> None:
        self.error, self._failures, self.retry_at = None, 0, Deadline(0)

    @property
    def needs_a_person(self) -> bool:
        """Whether the error is an alarm of its own: not one that has an alarm, nor one that soon passes."""
        if isinstance(self.error, LogGap | NotOwner) or self.error is None:
            return False
        if isinstance(self.error, TerminalError) or not isinstance(self.error, SpoolError):
            return True
        return (boottime_ns() - self._since_ns) / 1e9 > LASTING_S


class Standings:
    """Of all logs of a stream, and of the stream itself under the name ""."""

    def __init__(self, stream: str, alarms: AlarmSink) -> None:
        self._stream = stream
        self._alarms = alarms
        self._logs: dict[str, Standing] = {}
        self.waiting: dict[str, str] = {}

    def of(self, log: str) -> Standing:
        return self._logs.setdefault(log, Standing())

    def failed(self, log: str, error: Exception) -> None:
        """Note it, log it once, and open `replay_blocked` where a person is needed."""
        standing, subject = self.of(log), self._subject(log)
        if standing.failed(error):
            known = isinstance(error, SpoolError)
            hint = error.hint if isinstance(error, SpoolError) else "this is a fault of the program: report it"
            # What is not of the engine is a fault of this program: its traceback is all there is to find it by.
            LOGGER.warning(
                "log=%s stops: %s: %s (%s)", subject, type(error).__name__, error, hint,
                exc_info=None if known else error,
            )  # fmt: skip
        if standing.needs_a_person:
            self._alarms.open("replay_blocked", subject, f"{type(error).__name__}: {error}")
            standing.alarmed = True

    def succeeded(self, log: str) -> None:
        standing = self.of(log)
        standing.succeeded()
        if standing.alarmed:
            self._alarms.close("replay_blocked", self._subject(log))
            standing.alarmed = False

    def reasons(self) -> dict[str, str]:
        """Why logs did not go on, by their names: errors, and waits for a predecessor."""
        errors = {
            self._subject(log): str(standing.error)
            for log, standing in self._logs.items()
            if standing.error is not None
        }
        return {**{self._subject(log): reason for log, reason in self.waiting.items()}, **errors}

    def raise_worst(self) -> None:
        """The most urgent error of all logs, naming every log that has one; nothing if there is none."""
        errors = {
            self._subject(log): standing.error for log, standing in self._logs.items() if standing.error is not None
        }
        if errors:
            raise worst(errors)

    def _subject(self, log: str) -> str:
        return str(LogName(self._stream, log)) if log else self._stream


def urgency(error: BaseException) -> int:
    """0 = ours to fix, then what needs a person, then what passes by itself, then another owner."""
    if not isinstance(error, SpoolError):
        return 0
    if isinstance(error, NotOwner):
        return 4
    if isinstance(error, SettingsError):
        return 1
    return 2 if isinstance(error, TerminalError) else 3


def worst(errors: Mapping[str, Exception]) -> Exception:
    """The most urgent of several errors; where there are more, its message also names the others."""
    name = min(errors, key=lambda subject: urgency(errors[subject]))
    error = errors[name]
    others = [f"{other}: {what}" for other, what in errors.items() if other != name]
    if others and isinstance(error, SpoolError):
        error.args = (f"{error}; also {'; '.join(others)}", *error.args[1:])
    return error


def guarded(standings: Standings, log: str, work: Callable[[], Any], passing: Callable[[Exception], None]) -> bool:
    """
    `work` for one log; whether it succeeded. Its error becomes the log's, after `passing` had a look at it, which
    raises where the error concerns all logs.
    """
    try:
        work()
    except Exception as error:  # noqa: BLE001 - the boundary of a log: one that fails must not stop the others
        passing(error)
        standings.failed(log, error)
        return False
    standings.succeeded(log)
    return True
