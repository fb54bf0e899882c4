"""A log that continues another waits for it: order per key holds along `after` (rule 28)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from spool.archive.archive import Archive
from spool.names import LogName
from spool.replay.checkpoint import Checkpoint

CheckpointOf = Callable[[str], Checkpoint | None]


class Wait(NamedTuple):
    """
    A log that is not begun before another is delivered.

    log      the predecessor
    since_s  seconds since the newest event of the waiting log's first segment: at least so long it could have gone on
    """

    log: str
    since_s: float


def waits_for(
    archive: Archive, name: LogName, checkpoint: Checkpoint | None, checkpoint_of: CheckpointOf
) -> Wait | None:
    """
    The predecessor that is not delivered yet; None where the log may go on, as one that has begun always may, and one
    that an operator released.
    """
    if checkpoint is not None and (checkpoint.next > 0 or checkpoint.released):
        return None
    first = next(archive.segments(name), None)
    if first is None:
        return None
    index = archive.index(name, first)
    if index.after is None or index.after[1] < 0:
        return None
    predecessor = checkpoint_of(index.after[0])
    if predecessor is not None and predecessor.segment > index.after[1]:
        return None
    newest_ms = max((chunk.max_time_ms for chunk in index.chunks if chunk.event_count), default=None)
    since_s = 0.0 if newest_ms is None else max(0.0, time.time() - newest_ms / 1000)
    return Wait(index.after[0], since_s)
