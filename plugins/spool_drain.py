"""
Drain several streams side by side in one task.

One task for all streams rather than one each: on a small machine six task processes would fill the executor and
spend their time starting; the work itself is sending stored batches, for which threads are enough.

Each stream has a thread and a replayer of its own. A stream that fails does not stop the others; when all have ended,
one error is raised; all are logged before, with their hints.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from plugins.alerts import explain
from spool.errors import TerminalError

LOGGER = logging.getLogger(__name__)


class Drains(Protocol):
    """What of the replayer is used here; tests give one that fails as told."""

    def drain(self, *, max_events: int | None, deadline_s: float, follow: bool, dry_run: bool) -> Any: ...


def drain_side_by_side(
    replayers: Mapping[str, Callable[[], Drains]], *, max_events: int | None, seconds: float, dry_run: bool
) -> dict[str, Any]:
    """
    `replayers` opens one per stream. Returns the summary of each stream; raises one error when all have ended.

    Bounded by `seconds` and the deadlines inside the replayer; `max_events` or a dry run end it earlier.
    """
    follow = max_events is None and not dry_run

    def drain(stream: str) -> Any:
        summary = replayers[stream]().drain(max_events=max_events, deadline_s=seconds, follow=follow, dry_run=dry_run)
        LOGGER.info("stream=%s %s", stream, summary)
        return summary

    with ThreadPoolExecutor(max_workers=len(replayers), thread_name_prefix="drain") as pool:
        running = {stream: pool.submit(drain, stream) for stream in replayers}
    errors = [error for stream, future in running.items() if (error := _error(stream, future))]
    if errors:
        # One that needs a person first: it decides that the task is not tried again for nothing.
        raise min(errors, key=lambda error: not isinstance(error, TerminalError))
    return {stream: future.result() for stream, future in running.items()}


def _error(stream: str, future: Future[Any]) -> BaseException | None:
    error = future.exception()
    if error is None:
        return None
    LOGGER.error("stream=%s failed", stream, exc_info=error)
    for line in explain(error):
        LOGGER.error("stream=%s %s", stream, line)
    return error
