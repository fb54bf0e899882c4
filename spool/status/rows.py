"""The lines of the engine's tables. A figure whose source cannot be reached is None, never 0."""

from __future__ import annotations

from typing import NamedTuple


class LogRow(NamedTuple):
    """How far one log is. Units and meanings: spool/metrics.py, which has the same names."""

    stream: str
    log: str
    appended: int | None = None
    unsealed: int | None = None
    sealed_segments: int | None = None
    archived: int | None = None
    archived_objects: int | None = None
    delivered: int | None = None
    waiting: int | None = None
    generation: int | None = None
    oldest_waiting_s: float | None = None
    folder_free_bytes: int | None = None
    alarms: int | None = None


class AlarmRow(NamedTuple):
    """An alarm; docs/alarms.md explains each condition. Times are RFC 3339 in UTC; `closed` is None while it holds."""

    condition: str
    subject: str
    opened: str
    closed: str | None
    evidence: str


class LettersRow(NamedTuple):
    """
    The dead letters of one source that are in one state.

    oldest  when the first of them was put, RFC 3339 in UTC; None where that cannot be read
    reason  of the one that was put last
    """

    source: str
    state: str
    letters: int
    size_bytes: int
    oldest: str | None
    reason: str
