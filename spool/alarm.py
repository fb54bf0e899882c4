"""
What an alarm is, and the one function type through which every room raises one.

The rooms get `alarms: AlarmSink` as a parameter; who stores them is decided where the rooms are put together.
"""

from __future__ import annotations

import logging
from typing import NamedTuple, Protocol

LOGGER = logging.getLogger(__name__)


class Alarm(NamedTuple):
    """
    A condition that holds, once per (condition, subject), until it is closed.

    condition  a name of the table in docs/alarms.md, such as `log_gap`
    subject    what it is about, such as `events/k3x9` (stream/log)
    evidence   what was seen: ids, offsets, counts; never payloads
    opened_ms  milliseconds since 1970 UTC
    closed_ms  the same, 0 while it holds
    """

    condition: str
    subject: str
    evidence: str
    opened_ms: int
    closed_ms: int = 0


class AlarmSink(Protocol):
    """Raising what is already open, or closing what is not, does nothing. Neither ever fails its caller."""

    def open(self, condition: str, subject: str, evidence: str) -> None: ...

    def close(self, condition: str, subject: str) -> None: ...


class LogOnlyAlarms:
    """Alarms for where there is no place to keep them: a line in the log, nothing durable."""

    def open(self, condition: str, subject: str, evidence: str) -> None:
        LOGGER.warning("alarm opened condition=%s subject=%s evidence=%s", condition, subject, evidence)

    def close(self, condition: str, subject: str) -> None:
        LOGGER.debug("alarm closed condition=%s subject=%s", condition, subject)
