"""
NDJSON into events: one JSON object a line, the line itself is the payload.

A group is a run of adjacent lines with one value of the group field; a line without that field is a group of none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from spool.errors import EventRefused
from spool.event import Event


class Intake(NamedTuple):
    """Events to append in one call, and the number (from 1) of the last line they came from."""

    events: list[Event]
    is_group: bool
    last_line: int


class BadLine(EventRefused):
    """A line that is no event; the lines before `resume_at` were taken in, an unfinished group before it was not."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number}: {reason}")
        self.number = number
        self.resume_from(number)

    def resume_from(self, line: int) -> None:
        self.resume_at = line
        before = f"lines 1 to {line - 1} are in" if line > 1 else "nothing was taken in"
        self.hint = f"{before}; mend line {self.number} and go on with `tail -n +{line}`"


class LineFields(NamedTuple):
    """Which fields of a line mean what; empty = none."""

    key: str = ""
    group: str = ""
    event_type: str = ""


def read(lines: Iterable[bytes], fields: LineFields, *, batch: int = 1000) -> Iterator[Intake]:
    """Yield what belongs into one append: at most `batch` single events, or one whole group. Raises BadLine."""
    pending: list[Event] = []  # either single events or the events of one group
    group: object = None
    number = 0
    for number, line in enumerate(lines, start=1):
        try:
            event, value = _event(number, line, fields)
        except BadLine as bad:
            if group is None and pending:
                yield Intake(pending, False, number - 1)
            bad.resume_from(number if group is None else number - len(pending))
            raise
        if pending and (value != group or (value is None and len(pending) >= batch)):
            yield Intake(pending, group is not None, number - 1)
            pending = []
        group = value
        pending.append(event)
    if pending:
        yield Intake(pending, group is not None, number)


def _event(number: int, line: bytes, fields: LineFields) -> tuple[Event, object]:
    payload = line.rstrip(b"\r\n")
    try:
        document = json.loads(payload)
    except ValueError as error:
        raise BadLine(number, f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadLine(number, f"must be a JSON object, is {type(document).__name__}")
    key: bytes | None = None
    if fields.key:
        if fields.key not in document:
            raise BadLine(number, f"has no field {fields.key!r} for the key")
        key = _text(document[fields.key]).encode()
    group = document.get(fields.group) if fields.group else None
    return Event(payload, key=key, type=fields.event_type), group


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
