"""
Drain several streams side by side in one task.

One task for all streams rather than one each: on a small machine six task processes would fill the executor and
spend their time starting; the work itself is sending stored batches, for which threads are enough.

Each stream has a thread and a replayer of its own. A stream that fails does not stop the others; when all have ended,
one error is raised; all are logged before, with their hints. When the task itself is ended (a time-out, a person), the
drains stop after the transaction at hand and give their logs up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from plugins.failure_hints import explain
from spool.errors import NotOwner, TerminalError

LOGGER = logging.getLogger(__name__)


class Drains(Protocol):
    """What of the replayer is used here; tests give one that fails as told."""

    def drain(
        self, *, max_events: int | None, deadline_s: float, follow: bool, dry_run: bool, stop: threading.Event
    ) -> Any: ...


def drain_side_by_side(
    replayers: Mapping[str, Drains], *, max_events: int | None, seconds: float, dry_run: bool
) -> dict[str, Any]:
    """
    Returns the summary of each stream; raises one error when all have ended.

    Bounded by `seconds` and the deadlines inside the replayer; `max_events` or a dry run end it earlier.
    """
    # While a broker is away its client writes several lines a second; the replayer says the same once a try.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    follow = max_events is None and not dry_run
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=len(replayers), thread_name_prefix="drain") as pool:
        running = {
            stream: pool.submit(
                replayer.drain, max_events=max_events, deadline_s=seconds, follow=follow, dry_run=dry_run, stop=stop
            )
            for stream, replayer in replayers.items()
        }
        try:
            wait(running.values())
        finally:
            stop.set()
    errors = [error for stream, future in running.items() if (error := _error(stream, future))]
    if errors:
        raise min(errors, key=_urgency)
    return {stream: future.result() for stream, future in running.items()}


def _urgency(error: BaseException) -> int:
    """What needs a person comes first: it decides that the task is not tried again for nothing."""
    if isinstance(error, NotOwner):
        return 2
    return 0 if isinstance(error, TerminalError) else 1


def _error(stream: str, future: Future[Any]) -> BaseException | None:
    error = future.exception()
    if error is None:
        return None
    lines = explain(error)
    if not lines:
        LOGGER.error("stream=%s failed", stream, exc_info=error)
    for line in lines:
        LOGGER.error("stream=%s %s", stream, line)
    return error
