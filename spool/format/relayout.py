"""
Laying an archived chunk out again, if its batches cannot be sent as they are: another number of partitions, another
generation after a rewind, a topic that takes smaller batches only, events left out as dead letters. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from spool.event import SPOOL_HEADER
from spool.format import record_batch
from spool.format.partition_batches import BATCH_BYTES_MAX, Lane, take_all
from spool.format.partitioner import Partitioner
from spool.format.position_header import ArchivedPosition, decode_archived, encode_archived
from spool.format.record_batch import Record
from spool.format.segment_index import Chunk, StoredBatch


class ArchivedRecord(NamedTuple):
    """A record of a stored batch and what its last header, `spool`, says; the headers before it are the event's."""

    position: ArchivedPosition
    record: Record


def archived_records(chunk: Chunk) -> list[ArchivedRecord]:
    """All records of a chunk in the order of the log. The batches must have passed their checks (`decode_object`)."""
    archived = [
        ArchivedRecord(decode_archived(record.headers[-1][1] or b""), record)
        for stored in chunk.batches
        for record in record_batch.records(bytes(stored.data))
    ]
    archived.sort(key=lambda record: record.position.offset)
    return archived


def relay(
    chunk: Chunk,
    *,
    partitions: int,
    generation: int = 0,
    batch_bytes_max: int = BATCH_BYTES_MAX,
    without: Collection[int] = frozenset(),
) -> Chunk:
    """
    The same events in other batches, of at most `batch_bytes_max` uncompressed; an event above that is a batch alone.

    `without` are log offsets to leave out. The chunk keeps its range of offsets.
    """
    kept = [archived for archived in archived_records(chunk) if archived.position.offset not in without]
    lanes = [Lane(partition, batch_bytes_max) for partition in range(partitions)]
    if kept:
        partitioner = Partitioner(kept[0].position.log, partitions)
        lane_of = partitioner.of(
            [archived.record.key for archived in kept], [archived.position.offset for archived in kept]
        )
        for (position, record), partition in zip(kept, lane_of, strict=True):
            headers = [*record.headers[:-1], (SPOOL_HEADER, encode_archived(position._replace(generation=generation)))]
            lanes[partition].append(position.offset, record.timestamp, record.key, record.value, headers)
    return chunk._replace(batches=take_all(lanes), event_count=len(kept))


def merge(batches: Sequence[StoredBatch], *, batch_bytes_max: int = BATCH_BYTES_MAX) -> list[StoredBatch]:
    """The same records of one partition, in their order, in as few batches as `batch_bytes_max` allows."""
    lane = Lane(batches[0].partition, batch_bytes_max)
    for stored in batches:
        for record in record_batch.records(bytes(stored.data)):
            offset = decode_archived(record.headers[-1][1] or b"").offset
            lane.append(offset, record.timestamp, record.key, record.value, record.headers)
    return lane.take()
