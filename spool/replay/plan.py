"""What a drain would do, as rows: read from the archive and the checkpoints, changing nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from spool.archive.archive import Archive
from spool.names import LogName
from spool.replay.checkpoint import Checkpoint, CheckpointKey
from spool.replay.predecessor import waits_for
from spool.settings import StreamSettings


class PlanRow(NamedTuple):
    """
    One log. `next_offset` to `archived` is what would be sent, from segment `segment` on.

    note  why less than that: a gap, a predecessor; empty where nothing is in the way
    """

    log: str
    segment: int
    next_offset: int
    archived: int
    events: int
    generation: int
    note: str


def plan(
    archive: Archive, stream: StreamSettings, checkpoints: Mapping[bytes, Checkpoint], topic: str
) -> list[PlanRow]:
    """A row a log, in the order of their ids."""

    def checkpoint_of(log: str) -> Checkpoint | None:
        return checkpoints.get(CheckpointKey(topic, stream.name, log).encode())

    return [
        _row(archive, name, checkpoint_of(name.log), waits_for(archive, name, checkpoint_of(name.log), checkpoint_of))
        for name in archive.logs(stream.name)
    ]


def _row(archive: Archive, name: LogName, checkpoint: Checkpoint | None, predecessor: str | None) -> PlanRow:
    start = checkpoint.segment if checkpoint else 0
    numbers = list(archive.segments(name, start))
    generation = checkpoint.generation if checkpoint else 0
    if not numbers:
        after = checkpoint.next if checkpoint else 0
        return PlanRow(name.log, start, after, after, 0, generation, "")
    first = numbers[0] if checkpoint is None else start
    dense = [number for position, number in enumerate(numbers) if number == first + position]
    note = "" if len(dense) == len(numbers) else f"segment {first + len(dense)} is missing"
    if predecessor:
        note = f"waits for log {predecessor}"
    if not dense:
        next_offset = checkpoint.next if checkpoint else 0
        return PlanRow(name.log, start, next_offset, next_offset, 0, generation, note)
    last = archive.index(name, dense[-1])
    next_offset = checkpoint.next if checkpoint else archive.index(name, first).first_offset
    events = 0 if predecessor else last.next_offset - next_offset
    return PlanRow(name.log, first, next_offset, last.next_offset, events, generation, note)
