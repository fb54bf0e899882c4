"""
From the commits of a local segment to the chunks of an object, and from a chunk to another lay-out. Pure.

A chunk holds whole commits, at most 50,000 events or 8 MB of local frames. In it each record gets the header `spool`
(spool/log/position_header.py) in front of its own, and goes to the batch of its partition.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol

from spool.archive.lanes import BATCH_BYTES_MAX, Lane
from spool.archive.partitioner import Partitioner
from spool.archive.segment_index import Chunk, StoredBatch
from spool.event import COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, SPOOL_HEADER
from spool.log import batch as record_batch
from spool.log.batch import Record
from spool.log.position_header import (
    VERSION,
    ArchivedPosition,
    decode_archived,
    decode_local,
    encode_archived,
    pack_archived,
)

CHUNK_EVENTS_MAX = COMMIT_EVENTS_MAX
CHUNK_BYTES_MAX = COMMIT_BYTES_MAX

_KEY = attrgetter("key")
_OFFSET = attrgetter("offset")
_TIMESTAMP = attrgetter("timestamp")


class Commit(Protocol):
    """What laying out needs of `spool.log.reader.Commit`."""

    @property
    def first_offset(self) -> int: ...
    @property
    def event_count(self) -> int: ...
    @property
    def frame(self) -> bytes: ...


def lay_out(commits: Iterable[Commit], *, log: str, partitions: int) -> Iterator[Chunk]:
    """Chunks in the order of the log, one after the other: `commits` is read only as far as needed."""
    partitioner = Partitioner(log, partitions)
    for group in _chunks(commits):
        yield _lay_out_chunk(group, log, partitioner, partitions)


def _chunks(commits: Iterable[Commit]) -> Iterator[list[Commit]]:
    group: list[Commit] = []
    events = size = 0
    for commit in commits:
        if group and (events + commit.event_count > CHUNK_EVENTS_MAX or size + len(commit.frame) > CHUNK_BYTES_MAX):
            yield group
            group, events, size = [], 0, 0
        group.append(commit)
        events += commit.event_count
        size += len(commit.frame)
    if group:
        yield group


def _lay_out_chunk(commits: Sequence[Commit], log: str, partitioner: Partitioner, partitions: int) -> Chunk:
    lanes = [Lane(partition) for partition in range(partitions)]
    low_ms, high_ms = [], []
    for commit in commits:
        records = list(record_batch.records(commit.frame))
        times_ms = list(map(_TIMESTAMP, records))
        low_ms.append(min(times_ms))
        high_ms.append(max(times_ms))
        _append_commit(records, log, lanes, partitioner)
    last = commits[-1]
    return Chunk(
        first_offset=commits[0].first_offset,
        next_offset=last.first_offset + last.event_count,
        min_time_ms=min(low_ms),
        max_time_ms=max(high_ms),
        batches=_take(lanes),
        event_count=sum(commit.event_count for commit in commits),
    )


def _append_commit(records: Sequence[Record], log: str, lanes: Sequence[Lane], partitioner: Partitioner) -> None:
    # The loop over every event of the archive: nothing in it that is not per event.
    suffix = log.encode()
    appends = [lane.append for lane in lanes]
    partitions = partitioner.of(list(map(_KEY, records)), list(map(_OFFSET, records)))
    group_next = -1
    for record, partition in zip(records, partitions, strict=True):
        offset = record.offset
        headers = record.headers
        if headers and headers[0][0] == SPOOL_HEADER:
            group_first, group_size = offset, decode_local(headers.pop(0)[1] or b"")
            group_next = offset + group_size
        if offset >= group_next:
            group_first, group_size = offset, 1
        headers.insert(0, (SPOOL_HEADER, pack_archived(VERSION, 0, offset, group_first, group_size) + suffix))
        appends[partition](offset, record.timestamp, record.key, record.value, headers)


def relay(
    chunk: Chunk,
    *,
    partitions: int,
    generation: int = 0,
    batch_bytes_max: int = BATCH_BYTES_MAX,
    without: Collection[int] = frozenset(),
) -> Chunk:
    """
    The same events laid out anew: for another number of partitions, with another generation, in smaller batches.

    `without` are log offsets to leave out. The chunk keeps its range of offsets.
    """
    placed = [_Placed.of(record) for stored in chunk.batches for record in record_batch.records(bytes(stored.data))]
    placed = sorted((one for one in placed if one.position.offset not in without), key=lambda one: one.position.offset)
    lanes = [Lane(partition, batch_bytes_max) for partition in range(partitions)]
    if placed:
        partitioner = Partitioner(placed[0].position.log, partitions)
        lane_of = partitioner.of([one.record.key for one in placed], [one.position.offset for one in placed])
        for (position, record), partition in zip(placed, lane_of, strict=True):
            headers = [(SPOOL_HEADER, encode_archived(position._replace(generation=generation))), *record.headers[1:]]
            lanes[partition].append(position.offset, record.timestamp, record.key, record.value, headers)
    return chunk._replace(batches=_take(lanes), event_count=len(placed))


class _Placed(NamedTuple):
    position: ArchivedPosition
    record: Record

    @classmethod
    def of(cls, record: Record) -> _Placed:
        return cls(decode_archived(record.headers[0][1] or b""), record)


def _take(lanes: Sequence[Lane]) -> tuple[StoredBatch, ...]:
    return tuple(stored for lane in lanes for stored in lane.take())
