"""The port through which features report what changed; plugins/ and the command lines decide where events go."""

from __future__ import annotations

from collections.abc import Callable

from include.common.event_type import FeatureEvent

Emit = Callable[[FeatureEvent], None]
"""
Takes one event: keys, counts and ids; never contents, never secrets.

Durable when it returns. A process that dies right after the append emits the event again: at least once, never lost.
"""


def no_events(event: FeatureEvent) -> None:
    """For runs by hand without a spool folder."""
