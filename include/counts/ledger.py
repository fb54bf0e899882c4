"""
The book by name: `<state>/stage_ledger.sqlite`, beside the files that it lists.

A stage notes an item before it touches it and settles it after its effect. A process killed in between leaves the
item open; the next run asks for open items, looks where each is, and settles it. So no item is counted twice or
never, whenever the process dies. Counts are sums of these notes, hence may be sent on (table.py) any number of times.

    taken ── settle ──> out | quarantined | errored          an item that comes again later is a new pass

An open item makes in differ from out + quarantined + errored: exactly what the conservation check looks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from include.counts.book_file import BookFile
from include.counts.stage_count import OUTCOMES, Outcome, StageCount, Unsettled

FILE_NAME = "stage_ledger.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS passes (
  feature TEXT NOT NULL, stage TEXT NOT NULL, item TEXT NOT NULL, pass INTEGER NOT NULL,
  day TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (feature, stage, item, pass)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS passes_open ON passes (feature, stage) WHERE outcome = '';
CREATE INDEX IF NOT EXISTS passes_day ON passes (day, feature, stage, outcome);
CREATE TABLE IF NOT EXISTS sums (
  feature TEXT NOT NULL, stage TEXT NOT NULL, day TEXT NOT NULL, outcome TEXT NOT NULL, items INTEGER NOT NULL,
  PRIMARY KEY (feature, stage, day, outcome)) WITHOUT ROWID;
"""


class StageLedger(BookFile):
    """A book of counts. Each call is durable when it returns."""

    def __init__(self, state: Path, installation: str) -> None:
        super().__init__(state / FILE_NAME, installation, _SCHEMA)

    def take(self, feature: str, stage: str, items: Iterable[str], day: date | None = None) -> None:
        """Note items before touching them. One that is open already stays as it is, with its day."""
        today = (day or datetime.now(UTC).date()).isoformat()
        rows = [(feature, stage, item) for item in items]
        with self._transaction():
            for row in rows:
                number, outcome = self._last_pass(row)
                if outcome != "":
                    self._db.execute(
                        "INSERT INTO passes (feature, stage, item, pass, day) VALUES (?, ?, ?, ?, ?)",
                        (*row, number + 1, today),
                    )

    def settle(self, feature: str, stage: str, outcomes: Mapping[str, Outcome]) -> None:
        """Say what became of items. One that is not open is left alone: it was settled by an earlier try."""
        with self._transaction():
            self._db.executemany(
                "UPDATE passes SET outcome = ? WHERE feature = ? AND stage = ? AND item = ? AND outcome = ''",
                [(outcome, feature, stage, item) for item, outcome in outcomes.items()],
            )

    def open_items(self, feature: str, stage: str) -> list[str]:
        """What was taken and not settled, sorted: the work of a run that died, or of one still running."""
        rows = self._db.execute(
            "SELECT item FROM passes WHERE feature = ? AND stage = ? AND outcome = '' ORDER BY item", (feature, stage)
        )
        return [item for (item,) in rows]

    def unsettled(self) -> list[Unsettled]:
        """The items that are open. The oldest first."""
        rows = self._db.execute(
            "SELECT feature, stage, day, item FROM passes WHERE outcome = '' ORDER BY day, feature, stage, item"
        )
        return [Unsettled(feature, stage, date.fromisoformat(day), item, 1) for feature, stage, day, item in rows]

    def out_and_not_taken(self, feature: str, stage: str, next_feature: str, next_stage: str) -> list[tuple[str, date]]:
        """Items that a stage put out and the next one never took, with the day of the former; sorted."""
        rows = self._db.execute(
            "SELECT item, MAX(day) FROM passes AS given WHERE feature = ? AND stage = ? AND outcome = 'out' "
            "AND NOT EXISTS (SELECT 1 FROM passes AS taken WHERE taken.feature = ? AND taken.stage = ? "
            "AND taken.item = given.item) GROUP BY item ORDER BY item",
            (feature, stage, next_feature, next_stage),
        )
        return [(item, date.fromisoformat(day)) for item, day in rows]

    def counts(self, since: date | None = None) -> list[StageCount]:
        """Sums per feature, stage and day, from `since` on."""
        outcomes = ", ".join(f"SUM(items * (outcome = '{outcome}'))" for outcome in OUTCOMES)
        rows = self._db.execute(
            f"SELECT feature, stage, day, SUM(items), {outcomes} FROM "  # noqa: S608 - our own constants
            "(SELECT feature, stage, day, outcome, items FROM sums WHERE day >= :since UNION ALL "
            "SELECT feature, stage, day, outcome, 1 FROM passes WHERE day >= :since) "
            "GROUP BY day, feature, stage ORDER BY day, feature, stage",
            {"since": (since or date.min).isoformat()},
        )
        return [
            StageCount(feature, stage, date.fromisoformat(day), self.installation, *numbers)
            for feature, stage, day, *numbers in rows
        ]

    def fold(self, before: date) -> int:
        """Keep of settled items of days before `before` only their number. Open ones stay. Returns how many."""
        settled = "day < ? AND outcome != ''"
        with self._transaction():
            self._db.execute(
                "INSERT INTO sums SELECT feature, stage, day, outcome, COUNT(*) FROM passes "  # noqa: S608
                f"WHERE {settled} GROUP BY feature, stage, day, outcome "
                "ON CONFLICT DO UPDATE SET items = items + excluded.items",
                (before.isoformat(),),
            )
            folded = self._db.execute(f"DELETE FROM passes WHERE {settled}", (before.isoformat(),))  # noqa: S608
        return folded.rowcount

    def _last_pass(self, row: tuple[str, str, str]) -> tuple[int, str | None]:
        last = self._db.execute(
            "SELECT pass, outcome FROM passes WHERE feature = ? AND stage = ? AND item = ? ORDER BY pass DESC LIMIT 1",
            row,
        ).fetchone()
        return (int(last[0]), str(last[1])) if last else (0, None)
