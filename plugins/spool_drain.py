"""
Drain several streams side by side in one task.

One task for all streams rather than one each: on a small machine six task processes would fill the executor and
spend their time starting; the work itself is sending stored batches, for which threads are enough.

The errors of all streams are logged with their hints; one is raised when all have ended.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from plugins.failure_hints import log_error
from spool.replay.streams import Drains, drain_streams, most_urgent


def drain_side_by_side(
    replayers: Mapping[str, Drains[Any]], *, max_events: int | None, seconds: float, dry_run: bool
) -> dict[str, Any]:
    """
    Returns the summary of each stream; raises the most urgent error when all have ended.

    Bounded by `seconds` and the deadlines inside the replayer; `max_events` or a dry run end it earlier.
    """
    # While a broker is away its client writes several lines a second; the replayer says the same once a try.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    follow = max_events is None and not dry_run
    drained = drain_streams(replayers, max_events=max_events, deadline_s=seconds, follow=follow, dry_run=dry_run)
    for stream, error in drained.errors.items():
        log_error(stream, error)
    if drained.errors:
        raise most_urgent(drained.errors.values())
    return drained.summaries
