"""What goes into one transaction: how many chunks, and in which batches (rules 20 and 23)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import groupby

from spool.errors import SpoolError
from spool.event import COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX
from spool.format.partition_batches import BATCH_BYTES_MAX
from spool.format.partitioner import NAME as PARTITIONER
from spool.format.relayout import merge, relay
from spool.format.segment_index import Chunk, StoredBatch
from spool.kafka.topics import TargetTopic
from spool.replay.archive_source import ArchiveSource, SourceChunk
from spool.replay.checkpoint import Checkpoint
from spool.replay.pace import BATCHES_MAX, Limits

LOGGER = logging.getLogger(__name__)

# One partition's batches are sent one after another, a round trip each: with so many they are worth merging ...
_MERGED_ABOVE = 16
# ... if they are this small; larger ones cost more to decode than their round trip takes.
_SMALL_BYTES = 16 * 1024
# Room for a batch's own header within what the topic takes.
_HEADROOM_BYTES = 200


def collect(source: ArchiveSource, name: str, enough: int, limits: Limits | None = None) -> list[SourceChunk]:
    """Whole chunks up to the limits of a transaction, or until they hold `enough` events; one always fits."""
    limits = limits or Limits(COMMIT_EVENTS_MAX, COMMIT_BYTES_MAX, BATCHES_MAX)
    taken = [source.take()]
    total = _load(taken[0].chunk)
    while total.events < enough:
        following = _following(source, name)
        if following is None:
            break
        total = Limits(*map(sum, zip(total, _load(following.chunk), strict=True)))
        if any(value > most for value, most in zip(total, limits, strict=True)):
            break
        taken.append(source.take())
    return taken


def fitting(source: SourceChunk, target: TargetTopic, checkpoint: Checkpoint) -> Chunk:
    """The chunk as stored, or laid out again where the topic or a rewind asks for that."""
    stored_fits = all(len(stored.data) <= target.message_bytes_max for stored in source.chunk.batches)
    same = source.segment.partitions == target.partitions and source.segment.partitioner == PARTITIONER
    comes_again = source.chunk.first_offset < checkpoint.again_until
    if not source.chunk.batches or (same and stored_fits and not comes_again):
        return source.chunk
    return relay(
        source.chunk,
        partitions=target.partitions,
        generation=checkpoint.generation if comes_again else 0,
        batch_bytes_max=_batch_bytes_max(target),
    )


def merged(batches: Sequence[StoredBatch], target: TargetTopic) -> tuple[StoredBatch, ...]:
    """
    The batches of a transaction, partition by partition, with neighbours of a partition merged where they are many and
    small: a backlog of a thousand objects of one event each would take a thousand round trips.
    """
    lanes: dict[int, list[StoredBatch]] = {}
    for stored in batches:
        lanes.setdefault(stored.partition, []).append(stored)
    if all(len(lane) <= _MERGED_ABOVE for lane in lanes.values()):
        return tuple(batches)
    return tuple(stored for partition in sorted(lanes) for stored in _merged_lane(lanes[partition], target))


def holes_of(taken: Sequence[SourceChunk], first: int, after: int) -> tuple[tuple[int, int], ...]:
    """The ranges of offsets without events that a transaction from `first` to `after` passes, each once."""
    segments = {id(source.segment): source.segment for source in taken}.values()
    return tuple(
        (max(hole.first, first), min(hole.next, after))
        for segment in segments
        for hole in segment.holes
        if hole.first < after and hole.next > first
    )


def _merged_lane(lane: Sequence[StoredBatch], target: TargetTopic) -> list[StoredBatch]:
    if len(lane) <= _MERGED_ABOVE:
        return list(lane)
    result: list[StoredBatch] = []
    for is_small, group in groupby(lane, key=lambda stored: len(stored.data) < _SMALL_BYTES):
        run = list(group)
        result += merge(run, batch_bytes_max=_batch_bytes_max(target)) if is_small else run
    return result


def _batch_bytes_max(target: TargetTopic) -> int:
    return min(BATCH_BYTES_MAX, target.message_bytes_max - _HEADROOM_BYTES)


def _following(source: ArchiveSource, name: str) -> SourceChunk | None:
    """What comes next, if it can be had: an error there waits until what is in hand was delivered."""
    try:
        return source.peek()
    except SpoolError as error:
        LOGGER.info("log=%s behind the next transaction: %s", name, error)
        return None


def _load(chunk: Chunk) -> Limits:
    return Limits(chunk.event_count, sum(len(stored.data) for stored in chunk.batches), len(chunk.batches))
