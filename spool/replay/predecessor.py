"""A log that continues another waits for it: order per key holds along `after` (rule 28)."""

from __future__ import annotations

from collections.abc import Callable

from spool.archive.archive import Archive
from spool.names import LogName
from spool.replay.checkpoint import Checkpoint

CheckpointOf = Callable[[str], Checkpoint | None]


def waits_for(
    archive: Archive, name: LogName, checkpoint: Checkpoint | None, checkpoint_of: CheckpointOf
) -> str | None:
    """The predecessor that is not delivered yet; None where the log may go on, as one that has begun always may."""
    if checkpoint is not None and checkpoint.next > 0:
        return None
    first = next(archive.segments(name), None)
    if first is None:
        return None
    after = archive.index(name, first).after
    if after is None or after[1] < 0:
        return None
    predecessor = checkpoint_of(after[0])
    if predecessor is not None and predecessor.segment > after[1]:
        return None
    return after[0]
