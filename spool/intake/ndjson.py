"""
NDJSON into events: one JSON object a line, the line itself is the payload.

A group is a run of adjacent lines with one value of the group field; a line without that field is a group of none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from spool.clock import Deadline
from spool.errors import AppendUnknown, EventRefused, SpoolError
from spool.event import COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, EVENT_BYTES_MAX, Event
from spool.format.event_record import encode
from spool.intake.lines import Line, Overlong, Pause

# Single events are appended together up to this size, and for at most so long after the first of them came.
BATCH_BYTES_MAX = 4 * 1024 * 1024
LINGER_S = 1.0


class Intake(NamedTuple):
    """Events to append in one call, and the number (from 1) of the last line they came from."""

    events: list[Event]
    is_group: bool
    last_line: int

    @property
    def first_line(self) -> int:
        return self.last_line - len(self.events) + 1


@contextmanager
def naming_lines(intake: Intake) -> Iterator[None]:
    """An error of the append says in its hint what became of which lines."""
    try:
        yield
    except SpoolError as error:
        outcome = "may be appended" if isinstance(error, AppendUnknown) else "were not appended"
        error.hint = (
            f"lines {intake.first_line} to {intake.last_line} {outcome}, those before them were "
            f"(`tail -n +{intake.first_line}`); {error.hint}"
        )
        raise


class BadLine(EventRefused):
    """A line that is no event; the lines before `resume_at` were appended, an unfinished group before it was not."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number}: {reason}")
        self.number = number
        self.resume_from(number)

    def resume_from(self, line: int) -> None:
        self.resume_at = line
        before = f"lines 1 to {line - 1} were appended" if line > 1 else "nothing was appended"
        self.hint = f"{before}; correct line {self.number} and go on with `tail -n +{line}`"


class LineFields(NamedTuple):
    """Which fields of a line mean what; empty = none."""

    key: str = ""
    group: str = ""
    event_type: str = ""


def read(
    lines: Iterable[Line], fields: LineFields, *, batch: int = 1000, event_bytes_max: int = EVENT_BYTES_MAX
) -> Iterator[Intake]:
    """
    Yield what belongs into one append: at most `batch` single events, or one whole group. Raises BadLine.

    Single events wait for others until `lines` is idle, 1 s at most. A group is yielded when its last line is known.
    """
    pending = _Pending(batch)
    number = 0
    for line in lines:
        if isinstance(line, Pause):
            yield from pending.singles(number)
            if line is Pause.STOPPED:
                return
            continue
        number += 1
        try:
            event, group = _event(number, line, fields, event_bytes_max)
            yield from pending.before(group, number - 1)
            pending.add(event, group, number)
        except BadLine as bad:
            yield from pending.singles(number - 1)
            bad.resume_from(number - len(pending.events))
            raise
    yield from pending.all(number)


class _Pending:
    """The lines that wait for the rest of their append: single events, or the events of one group."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self.events: list[Event] = []
        self._size = 0
        self._group: str | None = None
        self._flush_at = Deadline(0)

    def before(self, group: str | None, last_line: int) -> Iterator[Intake]:
        """What must be appended before a line of `group` comes."""
        if group != self._group or (group is None and self._is_full()):
            yield from self.all(last_line)

    def add(self, event: Event, group: str | None, number: int) -> None:
        """BadLine where a group grows larger than any that can be appended."""
        if not self.events:
            self._flush_at = Deadline.after(LINGER_S)
        if group is not None and (len(self.events) == COMMIT_EVENTS_MAX or self._size > COMMIT_BYTES_MAX):
            raise BadLine(number, f"its group has more than {COMMIT_EVENTS_MAX} events or {COMMIT_BYTES_MAX} bytes")
        self._group = group
        self.events.append(event)
        self._size += len(event.value)

    def singles(self, last_line: int) -> Iterator[Intake]:
        """What can be appended now: not a group, whose next line may come yet."""
        if self._group is None:
            yield from self.all(last_line)

    def all(self, last_line: int) -> Iterator[Intake]:
        events, group = self.events, self._group
        self.events, self._size, self._group = [], 0, None
        if events:
            yield Intake(events, group is not None, last_line)

    def _is_full(self) -> bool:
        return len(self.events) >= self._batch or self._size >= BATCH_BYTES_MAX or self._flush_at.expired


def _event(number: int, line: bytes | Overlong, fields: LineFields, event_bytes_max: int) -> tuple[Event, str | None]:
    if isinstance(line, Overlong):
        raise BadLine(number, f"it has {line.size_bytes} bytes; an event takes at most {event_bytes_max}")
    payload = line.rstrip(b"\r\n")
    try:
        document = json.loads(payload)
        if not isinstance(document, dict):
            raise BadLine(number, f"must be a JSON object, is {type(document).__name__}")
        key = _key(number, document, fields.key)
        value = document.get(fields.group) if fields.group else None
        group = None if value is None else _canonical(value)
    except ValueError as error:
        raise BadLine(number, f"not JSON: {error}") from None
    except RecursionError:
        raise BadLine(number, "not JSON that can be read: nested too deeply") from None
    event = Event(payload, key=key, type=fields.event_type)
    if len(payload) + len(key or b"") > event_bytes_max // 2:
        _refuse_large(number, event, event_bytes_max)
    return event, group


def _key(number: int, document: dict[str, object], field: str) -> bytes | None:
    if not field:
        return None
    if field not in document:
        raise BadLine(number, f"has no field {field!r} for the key")
    value = document[field]
    try:
        return (value if isinstance(value, str) else _canonical(value)).encode()
    except UnicodeEncodeError:
        raise BadLine(number, "its key holds half of a surrogate pair, which UTF-8 cannot hold") from None


def _canonical(value: object) -> str:
    """One text for one JSON value, whatever the order of its fields; `1`, `true` and `"1"` are three."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _refuse_large(number: int, event: Event, event_bytes_max: int) -> None:
    try:
        encode([event], event_bytes_max)
    except EventRefused as error:
        raise BadLine(number, str(error)) from None
