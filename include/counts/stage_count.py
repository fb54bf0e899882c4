"""A row of the counts, and what a book of counts can do."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple, Protocol, get_args

Outcome = Literal["out", "quarantined", "errored"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class StageCount(NamedTuple):
    """What one stage of one installation took in on one day, and what became of it by now."""

    feature: str
    stage: str
    day: date
    installation: str
    count_in: int
    count_out: int
    quarantined: int
    errored: int

    @property
    def difference(self) -> int:
        """What went in and has not come out; 0 = conserved."""
        return self.count_in - self.count_out - self.quarantined - self.errored


class Unsettled(NamedTuple):
    """An item that was taken and not settled, or a batch that has not come out whole; `missing` may be below 0."""

    feature: str
    stage: str
    day: date
    name: str
    missing: int


class Counts(Protocol):
    """A book of counts. Its rows are sums over everything noted so far, hence may be sent on any number of times."""

    installation: str

    def counts(self, since: date | None = None) -> list[StageCount]:
        """Sums per feature, stage and day, from `since` on."""
        ...

    def unsettled(self) -> list[Unsettled]:
        """What makes the differences, by its name: of a run that died, or of one that is at work. The oldest first."""
        ...

    def fold(self, before: date) -> int:
        """Keep of what is settled of days before `before` only the sums. Returns how many notes became sums."""
        ...
