"""The events of a demo load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from include.common.event_type import FeatureEvent


@dataclass(frozen=True)
class DemoEvent(FeatureEvent, type="spillway.demo", stream="demo"):
    """
    One event of a generated load, without `version` in its payload. `stream` of the request may name another stream.

    generate.py writes these bytes itself, 400,000 a second.
    """

    n: Annotated[int, "number of the event within its load, from 0"]
    seed: Annotated[int, "seed of the load"]
    key: Annotated[str, "one of the load's keys"]
    fill: Annotated[str, "dots, as many as the requested size needs"]

    def event_key(self) -> str:
        return self.key
