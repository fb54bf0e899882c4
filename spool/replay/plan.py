"""What a drain would do, as rows: read from the archive and the checkpoints, changing nothing."""

from __future__ import annotations

from typing import NamedTuple

from spool.archive.archive import Archive
from spool.errors import TerminalError
from spool.names import LogName
from spool.replay.checkpoint import Checkpoint, CheckpointKey, Checkpoints
from spool.replay.predecessor import Wait, waits_for
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


def plan(archive: Archive, stream: StreamSettings, checkpoints: Checkpoints) -> list[PlanRow]:
    """One row per log, in the order of their ids. A log that cannot be read has its error as the note."""
    return [_row(archive, name, stream.topic, checkpoints) for name in archive.logs(stream.name)]


def _row(archive: Archive, name: LogName, topic: str, checkpoints: Checkpoints) -> PlanRow:
    def checkpoint_of(log: str) -> Checkpoint | None:
        return checkpoints.of(CheckpointKey(topic, name.stream, log))

    try:
        checkpoint = checkpoint_of(name.log)
        return _readable_row(archive, name, checkpoint, waits_for(archive, name, checkpoint, checkpoint_of))
    except TerminalError as error:
        return PlanRow(name.log, 0, 0, 0, 0, 0, str(error))


def _readable_row(archive: Archive, name: LogName, checkpoint: Checkpoint | None, wait: Wait | None) -> PlanRow:
    start = checkpoint.segment if checkpoint else archive.floor(name).segment
    generation = checkpoint.generation if checkpoint else 0
    numbers = list(archive.segments(name, start))
    dense = [number for position, number in enumerate(numbers) if number == start + position]
    note = "" if len(dense) == len(numbers) else f"segment {start + len(dense)} is missing"
    if wait:
        note = f"waits for log {wait.log}"
    if not dense:
        next_offset = checkpoint.next if checkpoint else 0
        return PlanRow(name.log, start, next_offset, next_offset, 0, generation, note)
    last = archive.index(name, dense[-1])
    next_offset = checkpoint.next if checkpoint else archive.index(name, start).first_offset
    events = 0 if wait else last.next_offset - next_offset
    return PlanRow(name.log, start, next_offset, last.next_offset, events, generation, note)
