"""
Running a blocking call so that it ends in time, whatever the network does.

The call runs in a thread of its own. One that is given up ends with its sockets' time-outs; what it did nevertheless is
found by the next request. How long it may take grows with what it carries: a limit for small answers alone would
never let a large object over a slow link.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from spool.store.object_store import SLOWEST_BYTES_PER_S

T = TypeVar("T")


class Load:
    """How many bytes a call carries; an answer that says its size while it is read adds to it."""

    def __init__(self, size_bytes: int = 0) -> None:
        self.size_bytes = size_bytes

    def limit_s(self, call_s: float) -> float:
        return call_s + self.size_bytes / SLOWEST_BYTES_PER_S


class NotInTime(Exception):
    """The call was given up."""


def bounded(action: Callable[[Load], T], load: Load, call_s: float) -> T:
    """What `action` returns or raises; NotInTime after `call_s` and the time for its load."""
    outcome: Future[T] = Future()
    threading.Thread(target=_settle, args=(outcome, action, load), name="spool-s3", daemon=True).start()
    started = time.monotonic()
    while True:
        left_s = started + load.limit_s(call_s) - time.monotonic()
        if left_s <= 0 and not outcome.done():
            raise NotInTime
        try:
            return outcome.result(max(0.0, left_s))
        except TimeoutError:
            if outcome.done():
                raise  # it is the action's own
            # Or the load has grown since: look again.


def _settle(outcome: Future[T], action: Callable[[Load], T], load: Load) -> None:
    try:
        outcome.set_result(action(load))
    except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
        outcome.set_exception(error)
