"""
Append a demo load: generate -> append -> count.

At `disk` one append follows the other, so that a key keeps its order. At `s3` each append waits for an object, half a
second shared by all appends that wait at the same time: there many are under way, and a key keeps its order within
an append only.

An append that wrote nothing (the log is locked, the disk is full) is retried for a while; one whose outcome is
unknown ends the load, because a second copy would be an unwanted duplicate.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from include.common.appended import Appended
from include.demo_events.config import DemoRequest
from include.demo_events.generate import Append, appends
from spool.errors import LockTimeout, SpoolFull
from spool.event import Accepted
from spool.settings import Settings

if TYPE_CHECKING:
    from spool.intake.client import SpoolClient

LOGGER = logging.getLogger(__name__)

PROGRESS_EVERY_S = 5.0
# How often an append that wrote nothing is retried, and the pause before each retry: one minute in all.
TRIES_MAX = 30
REST_S = 2.0
# Two seals a second serve all waiting appends: 128 appends a second, with a thread each.
AT_ONCE_S3 = 64


def append_load(
    client: SpoolClient, request: DemoRequest, settings: Settings, *, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Append all events; returns counts and offset ranges. Durable at the acknowledgement when it returns."""
    level = request.acknowledgement or settings.stream(request.stream).acknowledgement
    at_once = AT_ONCE_S3 if level == "s3" else 1
    progress = _Progress(request)
    under_way: deque[tuple[Future[Accepted], Append]] = deque()

    def settle() -> None:
        answer, append = under_way.popleft()
        progress.add(answer.result(), is_group=append.is_group)

    with ThreadPoolExecutor(at_once, thread_name_prefix="append") as pool:
        try:
            for append in appends(request):
                under_way.append((pool.submit(_append, client, request, append, sleep), append))
                if len(under_way) == at_once:
                    settle()
            while under_way:
                settle()
        except BaseException:
            # What is under way may still become durable; what has not begun must not.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
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
