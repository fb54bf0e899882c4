"""What is emitted when a count in the table changes, in the transaction that changes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from include.common.event_type import FeatureEvent


@dataclass(frozen=True)
class StageCounted(FeatureEvent, type="stage_count.changed", stream="events"):
    """The sums of one stage, day and installation are new, or others than before. The last one of a key is valid."""

    feature: Annotated[str, "the feature that counts"]
    stage: Annotated[str, "the stage within it"]
    day: Annotated[str, "day in UTC on which the items went in, `2026-11-23`"]
    installation: Annotated[str, "whose counts these are"]
    count_in: Annotated[int, "items that went in"]
    count_out: Annotated[int, "of these, items that came out"]
    quarantined: Annotated[int, "of these, items that were held"]
    errored: Annotated[int, "of these, items that could not be processed"]

    def event_key(self) -> str:
        """`<feature>/<stage>/<installation>/<day>`: a row of the table."""
        return f"{self.feature}/{self.stage}/{self.installation}/{self.day}"
