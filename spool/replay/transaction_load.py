"""What goes into one transaction: how many chunks, and in which batches (rules 20 and 23)."""

from __future__ import annotations

import logging
from typing import NamedTuple

from spool.errors import SpoolError
from spool.event import COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX
from spool.format.partition_batches import BATCH_BYTES_MAX
from spool.format.partitioner import NAME as PARTITIONER
from spool.format.relayout import relay
from spool.format.segment_index import Chunk
from spool.kafka.topics import TargetTopic
from spool.replay.archive_source import ArchiveSource, SourceChunk
from spool.replay.checkpoint import Checkpoint

LOGGER = logging.getLogger(__name__)

# A delivery names its batches in one record of under 1 MB, and one partition's batches are sent one after another:
# a backlog of many small objects must neither outgrow that record nor the transaction's time.
BATCHES_MAX = 1000


class _Load(NamedTuple):
    events: int
    size_bytes: int
    batches: int


def collect(source: ArchiveSource, name: str, enough: int) -> list[SourceChunk]:
    """Whole chunks up to the limits of a transaction, or until they hold `enough` events; one always fits."""
    taken = [source.take()]
    total = _load(taken[0].chunk)
    while total.events < enough:
        following = _following(source, name)
        if following is None:
            break
        total = _Load(*map(sum, zip(total, _load(following.chunk), strict=True)))
        if total.events > COMMIT_EVENTS_MAX or total.size_bytes > COMMIT_BYTES_MAX or total.batches > BATCHES_MAX:
            break
        taken.append(source.take())
    return taken


def fitting(one: SourceChunk, target: TargetTopic, checkpoint: Checkpoint) -> Chunk:
    """The chunk as stored, or laid out anew where the topic or a rewind asks for that."""
    stored_fits = all(len(stored.data) <= target.message_bytes_max for stored in one.chunk.batches)
    same = one.segment.partitions == target.partitions and one.segment.partitioner == PARTITIONER
    comes_again = one.chunk.first_offset < checkpoint.again_until
    if not one.chunk.batches or (same and stored_fits and not comes_again):
        return one.chunk
    return relay(
        one.chunk,
        partitions=target.partitions,
        generation=checkpoint.generation if comes_again else 0,
        batch_bytes_max=min(BATCH_BYTES_MAX, target.message_bytes_max - 200),
    )


def _following(source: ArchiveSource, name: str) -> SourceChunk | None:
    """What comes next, if it can be had: an error there waits until what is in hand was delivered."""
    try:
        return source.peek()
    except SpoolError as error:
        LOGGER.info("log=%s behind the next transaction: %s", name, error)
        return None


def _load(chunk: Chunk) -> _Load:
    return _Load(chunk.event_count, sum(len(stored.data) for stored in chunk.batches), len(chunk.batches))
