"""
The book by number alone: `<state>/stage_numbers.sqlite`, for what is too many to name, such as rows, mails or changes.

A stage notes the numbers of a whole batch under the key of the batch. They are absolute: a batch that is done again,
because a process died or the task was cleared, replaces its own numbers and adds nothing.

    note("f", "s", key, Numbers(500))                             before the work, where the source cannot be read again
    note("f", "s", key, Numbers(500, count_out=498, errored=2))   after its effect

The key must be the same for the same batch on every try: the path of a file, topic, partition and first offset, or the
id of a run with the number of the batch; never a time of day or a random number.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from include.counts.book_file import BookFile
from include.counts.stage_count import StageCount, Unsettled
from spool.errors import TerminalError

FILE_NAME = "stage_numbers.sqlite"
# Sums of a million batches still fit the 63 bits of SQLite, and those of the table.
NUMBER_MAX = 2**40
# The columns of the table stage_counts.
NAME_CHARACTERS_MAX = 64

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
  feature TEXT NOT NULL, stage TEXT NOT NULL, batch TEXT NOT NULL, day TEXT NOT NULL,
  count_in INTEGER NOT NULL, count_out INTEGER NOT NULL, quarantined INTEGER NOT NULL, errored INTEGER NOT NULL,
  PRIMARY KEY (feature, stage, batch)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batches_day ON batches (day);
CREATE TABLE IF NOT EXISTS sums (
  feature TEXT NOT NULL, stage TEXT NOT NULL, day TEXT NOT NULL,
  count_in INTEGER NOT NULL, count_out INTEGER NOT NULL, quarantined INTEGER NOT NULL, errored INTEGER NOT NULL,
  PRIMARY KEY (feature, stage, day)) WITHOUT ROWID;
"""
_NUMBERS = ("count_in", "count_out", "quarantined", "errored")
_COLUMNS = ", ".join(_NUMBERS)
_SUMS = ", ".join(f"SUM({name})" for name in _NUMBERS)
_SETTLED = "day < ? AND count_in = count_out + quarantined + errored"


class NumbersRefused(TerminalError):
    """Numbers, or the names of what was counted, that no table could hold."""


class Numbers(NamedTuple):
    """How much went into a batch, and how much of it came out, was quarantined and was errored by now."""

    count_in: int
    count_out: int = 0
    quarantined: int = 0
    errored: int = 0


class StageNumbers(BookFile):
    """A book of counts. Each call is durable when it returns."""

    def __init__(self, state: Path, installation: str) -> None:
        super().__init__(state / FILE_NAME, installation, _SCHEMA)

    def note(self, feature: str, stage: str, batch: str, numbers: Numbers, day: date | None = None) -> None:
        """
        The numbers of a batch, instead of those that were noted for it before; its day stays that of the first note.

        NumbersRefused, before anything is written, for numbers below 0 and for names that are too long.
        """
        _demand_sound(feature, stage, numbers)
        today = (day or datetime.now(UTC).date()).isoformat()
        replaced = ", ".join(f"{name} = excluded.{name}" for name in _NUMBERS)
        with self._transaction():
            self._db.execute(
                f"INSERT INTO batches (feature, stage, batch, day, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608 - our own constants
                f"ON CONFLICT DO UPDATE SET {replaced}",
                (feature, stage, batch, today, *numbers),
            )

    def unsettled(self) -> list[Unsettled]:
        """The batches that have not come out whole. The oldest first."""
        rows = self._db.execute(
            "SELECT feature, stage, day, batch, count_in - count_out - quarantined - errored AS missing FROM batches "
            "WHERE missing != 0 ORDER BY day, feature, stage, batch"
        )
        return [
            Unsettled(feature, stage, date.fromisoformat(day), batch, missing)
            for feature, stage, day, batch, missing in rows
        ]

    def counts(self, since: date | None = None) -> list[StageCount]:
        """Sums per feature, stage and day, from `since` on."""
        rows = self._db.execute(
            f"SELECT feature, stage, day, {_SUMS} FROM "  # noqa: S608 - our own constants
            f"(SELECT feature, stage, day, {_COLUMNS} FROM sums WHERE day >= :since UNION ALL "
            f"SELECT feature, stage, day, {_COLUMNS} FROM batches WHERE day >= :since) "
            "GROUP BY day, feature, stage ORDER BY day, feature, stage",
            {"since": (since or date.min).isoformat()},
        )
        return [
            StageCount(feature, stage, date.fromisoformat(day), self.installation, *numbers)
            for feature, stage, day, *numbers in rows
        ]

    def fold(self, before: date) -> int:
        """
        Keep of batches that came out whole, of days before `before`, only their sums. Returns how many.

        Their keys are forgotten: one that is done again later counts as a batch of that later day.
        """
        added = ", ".join(f"{name} = {name} + excluded.{name}" for name in _NUMBERS)
        with self._transaction():
            self._db.execute(
                f"INSERT INTO sums SELECT feature, stage, day, {_SUMS} FROM batches "  # noqa: S608 - as above
                f"WHERE {_SETTLED} GROUP BY feature, stage, day ON CONFLICT DO UPDATE SET {added}",
                (before.isoformat(),),
            )
            folded = self._db.execute(f"DELETE FROM batches WHERE {_SETTLED}", (before.isoformat(),))  # noqa: S608
        return folded.rowcount


def _demand_sound(feature: str, stage: str, numbers: Numbers) -> None:
    for name in (feature, stage):
        if not 0 < len(name) <= NAME_CHARACTERS_MAX:
            raise NumbersRefused(
                f"{name[:80]!a} cannot be the name of a feature or stage that counts",
                hint=f"names have 1 to {NAME_CHARACTERS_MAX} characters",
            )
    if any(not 0 <= number <= NUMBER_MAX for number in numbers):
        raise NumbersRefused(
            f"{feature}.{stage}: {numbers} cannot be counts", hint=f"each is from 0 to {NUMBER_MAX}: look how it counts"
        )
