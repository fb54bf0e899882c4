"""
Finding what Kafka refuses: batches are halved until the refused one holds a single unit.

Each try is a whole transaction by a new producer. Kafka names a refused batch, not a record, and everything behind it
in its partition fails with it; so of every partition the first refused batch is halved, or, when it holds one
unit, taken out: the event, or every member of its group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from spool.errors import OperatorNeeded
from spool.event import SPOOL_HEADER
from spool.format.partition_batches import Lane
from spool.format.position_header import decode_archived
from spool.format.record_batch import records
from spool.format.relayout import ArchivedRecord, archived_records
from spool.format.segment_index import Chunk, StoredBatch

REFUSED_MAX = 100


class Sifted(NamedTuple):
    """A chunk without what was refused, and the refused records with Kafka's reason."""

    chunk: Chunk
    refused: tuple[tuple[ArchivedRecord, str], ...]


def sift(chunk: Chunk, refusals: Mapping[int, str]) -> Sifted:
    """
    `refusals`: numbers of the chunk's batches with Kafka's reason, the first refused of each partition.

    OperatorNeeded above 100 refused records in one call: then not the records are wrong, but the topic.
    """
    out: dict[int, str] = {}  # log offsets of what is taken out
    batches: list[StoredBatch] = []
    for number, stored in enumerate(chunk.batches):
        if number not in refusals:
            batches.append(stored)
        elif stored.event_count > 1:
            batches += _halves(stored)
        else:
            for offset in _unit(chunk, stored):
                out[offset] = refusals[number]
            batches.append(stored)
    chunk = chunk._replace(batches=tuple(batches))
    if not out:
        return Sifted(chunk, ())
    refused = tuple(
        (record, out[record.position.offset]) for record in archived_records(chunk) if record.position.offset in out
    )
    if len(refused) > REFUSED_MAX:
        raise too_many(len(refused))
    return Sifted(without(chunk, set(out)), refused)


def too_many(number: int) -> OperatorNeeded:
    return OperatorNeeded(
        f"Kafka refuses {number} records of one chunk",
        hint="that is the topic's setting rather than the events': look at max.message.bytes and message.timestamp.*",
    )


def _unit(chunk: Chunk, stored: StoredBatch) -> range:
    """The log offsets that go together: of the only event of a batch, or of its whole group."""
    [record] = records(bytes(stored.data))
    position = decode_archived(record.headers[-1][1] or b"")
    if position.group_size > 1:
        return range(position.group_first, position.group_first + position.group_size)
    return range(position.offset, position.offset + 1)


def _halves(stored: StoredBatch) -> list[StoredBatch]:
    batch_records = list(records(bytes(stored.data)))
    middle = len(batch_records) // 2
    return [_batch_of(stored.partition, batch_records[:middle]), _batch_of(stored.partition, batch_records[middle:])]


def without(chunk: Chunk, offsets: set[int]) -> Chunk:
    """The chunk without the events at these log offsets; its range stays."""
    batches = []
    for stored in chunk.batches:
        batch_records = list(records(bytes(stored.data)))
        kept = [record for record in batch_records if _offset(record) not in offsets]
        if len(kept) == len(batch_records):
            batches.append(stored)
        elif kept:
            batches.append(_batch_of(stored.partition, kept))
    return chunk._replace(batches=tuple(batches), event_count=sum(stored.event_count for stored in batches))


def _batch_of(partition: int, batch_records: list) -> StoredBatch:  # type: ignore[type-arg]
    lane = Lane(partition, 1 << 24)
    for record in batch_records:
        lane.append(_offset(record), record.timestamp, record.key, record.value, record.headers)
    [stored] = lane.take()
    return stored


def _offset(record: object) -> int:
    headers: list[tuple[str, bytes | None]] = record.headers  # type: ignore[attr-defined]
    name, value = headers[-1]
    assert name == SPOOL_HEADER
    return decode_archived(value or b"").offset
