"""State changes as events of their streams: the Emit port over the spool's client."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from include.common.emit import Emit
from include.common.event_type import FeatureEvent, encode
from spool.event import Event

Append = Callable[[str, Sequence[Event]], object]
"""`SpoolClient.append`, or what stands for it."""


def spool_events(append: Append, source: str) -> Emit:
    """An Emit that appends each event to the stream of its type."""

    def emit(event: FeatureEvent) -> None:
        append(event.stream, [encode(event, source)])

    return emit
