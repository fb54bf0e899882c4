"""What a drain would do, as rows: read from the archive and the checkpoints, changing nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from spool.archive.archive import list_logs, read_index, segments
from spool.replay.checkpoint import Checkpoint, CheckpointKey
from spool.replay.predecessor import waits_for
from spool.settings import Settings, StreamSettings
from spool.store.object_store import ObjectStore


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
    settings: Settings, stream: StreamSettings, store: ObjectStore, checkpoints: Mapping[bytes, Checkpoint], topic: str
) -> list[PlanRow]:
    """A row a log, in the order of their ids."""

    def checkpoint_of(log: str) -> Checkpoint | None:
        return checkpoints.get(CheckpointKey(topic, stream.name, log).encode())

    return [
        _row(store, settings.root, stream.name, name.log, checkpoint_of(name.log), waits_for(
            store, settings.root, stream.name, name.log, checkpoint_of(name.log), checkpoint_of
        ))
        for name in list_logs(store, settings.root, stream.name)
    ]  # fmt: skip


def _row(
    store: ObjectStore, root: str, stream: str, log: str, checkpoint: Checkpoint | None, predecessor: str | None
) -> PlanRow:
    start = checkpoint.segment if checkpoint else 0
    numbers = list(segments(store, root, stream, log, start))
    generation = checkpoint.generation if checkpoint else 0
    if not numbers:
        after = checkpoint.next if checkpoint else 0
        return PlanRow(log, start, after, after, 0, generation, "")
    first = numbers[0] if checkpoint is None else start
    dense = [number for position, number in enumerate(numbers) if number == first + position]
    note = "" if len(dense) == len(numbers) else f"segment {first + len(dense)} is missing"
    if predecessor:
        note = f"waits for log {predecessor}"
    if not dense:
        next_offset = checkpoint.next if checkpoint else 0
        return PlanRow(log, start, next_offset, next_offset, 0, generation, note)
    last = read_index(store, root, stream, log, dense[-1])
    next_offset = checkpoint.next if checkpoint else read_index(store, root, stream, log, first).first_offset
    events = 0 if predecessor else last.next_offset - next_offset
    return PlanRow(log, first, next_offset, last.next_offset, events, generation, note)
