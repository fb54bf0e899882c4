"""The engine's sections of the status, from what its rooms say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spool.alarm import Alarm
from spool.clock import rfc3339
from spool.dead_letters.port import DeadLetters, Letter, LetterFilter
from spool.status.rows import AlarmRow, LettersRow
from spool.status.section import Section, section

LOGS, ALARMS, DEAD_LETTERS = "logs", "alarms", "dead_letters"
# Each letter of the object store is one get; 500 of them take some seconds.
LETTERS_MAX = 500


def alarm_row(alarm: Alarm) -> AlarmRow:
    closed = rfc3339(alarm.closed_ms) if alarm.closed_ms else None
    return AlarmRow(alarm.condition, alarm.subject, rfc3339(alarm.opened_ms), closed, alarm.evidence)


def alarms_section(alarms: Iterable[Alarm], troubles: Iterable[str] = ()) -> Section:
    """The open ones first, then the closed ones; the newest first in both."""
    newest_first = sorted(alarms, key=lambda alarm: (alarm.closed_ms != 0, -alarm.opened_ms))
    return section(ALARMS, map(alarm_row, newest_first), troubles)


def letters_section(name: str, letters: DeadLetters[Any], letters_max: int = LETTERS_MAX) -> Section:
    """A row for each source and state, of the first `letters_max` letters; a trouble says that there are more."""
    page = letters.list(LetterFilter(), limit=letters_max)
    more = [f"only the first {letters_max:,} letters were looked at"] if page.next else []
    return section(name, _letters_rows(page.letters), more)


def _letters_rows(letters: Iterable[Letter]) -> list[LettersRow]:
    groups: dict[tuple[str, str], list[Letter]] = {}
    for letter in letters:
        groups.setdefault((letter.source, letter.state), []).append(letter)
    return [_letters_row(source, state, groups[source, state]) for source, state in sorted(groups)]


def _letters_row(source: str, state: str, letters: list[Letter]) -> LettersRow:
    times = [letter.time_ms for letter in letters if letter.time_ms]
    oldest = rfc3339(min(times)) if times else None
    last = max(letters, key=lambda letter: letter.time_ms)
    return LettersRow(source, state, len(letters), sum(letter.size_bytes for letter in letters), oldest, last.reason)
