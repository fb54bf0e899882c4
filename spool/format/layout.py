"""
From the commits of a local segment to the chunks of an object. Pure.

A chunk holds whole commits, at most 50,000 events or 8 MB of local frames. In it each record gets the header `spool`
(spool/format/position_header.py) behind its own, and goes to the batch of its partition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from spool.event import COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, SPOOL_HEADER
from spool.format import record_batch
from spool.format.batch_encoder import HEADERS_MAX, encode_partition
from spool.format.partition_batches import Lane, take_all
from spool.format.partitioner import Partitioner
from spool.format.position_header import ArchivedPosition, decode_local, encode_archived
from spool.format.record_columns import Commit, RecordColumns, columns
from spool.format.segment_index import Chunk, StoredBatch

CHUNK_EVENTS_MAX = COMMIT_EVENTS_MAX
CHUNK_BYTES_MAX = COMMIT_BYTES_MAX


def lay_out(commits: Iterable[Commit], *, log: str, partitions: int) -> Iterator[Chunk]:
    """Chunks in the order of the log, one after the other: `commits` is read only as far as needed."""
    partitioner = Partitioner(log, partitions)
    for group in _chunks(commits):
        yield _lay_out_chunk(group, log, partitioner)


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


def _lay_out_chunk(commits: Sequence[Commit], log: str, partitioner: Partitioner) -> Chunk:
    record_columns = columns(commits)
    if int(record_columns.header_count.max()) <= HEADERS_MAX:
        batches = _encode(record_columns, log, partitioner)
    else:
        batches = _encode_one_by_one(commits, log, partitioner)
    last = commits[-1]
    return Chunk(
        first_offset=commits[0].first_offset,
        next_offset=last.first_offset + last.event_count,
        min_time_ms=int(record_columns.time_ms.min()),
        max_time_ms=int(record_columns.time_ms.max()),
        batches=batches,
        event_count=len(record_columns.offset),
    )


def _encode(record_columns: RecordColumns, log: str, partitioner: Partitioner) -> tuple[StoredBatch, ...]:
    partition_of = partitioner.of_columns(record_columns)
    return tuple(
        stored
        for partition in np.unique(partition_of).tolist()
        for stored in encode_partition(record_columns, np.flatnonzero(partition_of == partition), partition, log)
    )


def _encode_one_by_one(commits: Sequence[Commit], log: str, partitioner: Partitioner) -> tuple[StoredBatch, ...]:
    """The same through objects, without a limit on headers: six times slower, and what `_encode` is tested against."""
    lanes = [Lane(partition) for partition in range(partitioner.partitions)]
    for commit in commits:
        group_first = group_size = group_next = -1
        for record in record_batch.records(bytes(commit.frame)):
            offset, headers = record.offset, record.headers
            if headers and headers[0][0] == SPOOL_HEADER:
                group_first, group_size = offset, decode_local(headers.pop(0)[1] or b"")
                group_next = offset + group_size
            if offset >= group_next:
                group_first, group_size = offset, 1
            position = ArchivedPosition(log, offset, 0, group_first, group_size)
            headers.append((SPOOL_HEADER, encode_archived(position)))
            (partition,) = partitioner.of([record.key], [offset])
            lanes[partition].append(offset, record.timestamp, record.key, record.value, headers)
    return take_all(lanes)
