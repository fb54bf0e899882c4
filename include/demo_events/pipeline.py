"""
Append a demo load: generate -> append -> count, one append after the other, so that a key keeps its order.

An append that wrote nothing (the log is locked, the disk is full) is tried again for a while; one whose outcome is
unknown ends the load, because a second copy would be a double that nobody asked for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from include.common.appended import Appended
from include.demo_events.config import DemoRequest
from include.demo_events.generate import Append, appends
from spool.errors import LockTimeout, SpoolFull
from spool.event import Accepted

if TYPE_CHECKING:
    from spool.intake.client import SpoolClient

LOGGER = logging.getLogger(__name__)

PROGRESS_EVERY_S = 5.0
# How often an append that wrote nothing is tried again, and how long it rests before: one minute in all.
TRIES_MAX = 30
REST_S = 2.0


def append_load(
    client: SpoolClient, request: DemoRequest, *, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Append all events; returns counts and offset ranges. Durable at the acknowledgement when it returns."""
    progress = _Progress(request)
    for append in appends(request):
        progress.add(_append(client, request, append, sleep), is_group=append.is_group)
    return progress.summary()


def _append(client: SpoolClient, request: DemoRequest, append: Append, sleep: Callable[[float], None]) -> Accepted:
    call = client.append_group if append.is_group else client.append
    for tries_left in reversed(range(TRIES_MAX)):
        try:
            return call(request.stream, append.events, acknowledgement=request.acknowledgement)
        except (LockTimeout, SpoolFull) as error:
            if not tries_left:
                raise
            LOGGER.warning("nothing was written, next try in %s s: %s", REST_S, error)
            sleep(REST_S)
    raise AssertionError("unreachable: the last try returns or raises")


class _Progress:
    def __init__(self, request: DemoRequest) -> None:
        self._request = request
        self._appended = Appended()
        self._groups = 0
        self._started = self._said = time.monotonic()

    def add(self, accepted: Accepted, *, is_group: bool) -> None:
        self._appended.add(accepted)
        self._groups += is_group
        now = time.monotonic()
        if now - self._said >= PROGRESS_EVERY_S or self._appended.events == self._request.events:
            self._said = now
            LOGGER.info(
                "appended %s of %s events, %s groups, %.0f events/s",
                self._appended.events,
                self._request.events,
                self._groups,
                self._appended.events / max(now - self._started, 1e-3),
            )

    def summary(self) -> dict[str, Any]:
        return {
            "stream": self._request.stream,
            "events": self._appended.events,
            "groups": self._groups,
            "acknowledgement": self._appended.acknowledgement,
            "ranges": self._appended.ranges,
            "seconds": round(time.monotonic() - self._started, 3),
        }
