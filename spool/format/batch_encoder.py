"""
From columns of records to the stored batches of one partition: each record gets its place in the batch and, behind its
own headers, the header `spool`; the rest is copied as it is. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from spool.format import record_batch
from spool.format.partition_batches import BATCH_BYTES_MAX, compress
from spool.format.position_header import ARCHIVED_BYTES, VERSION
from spool.format.record_columns import SPOOL_NAME, Bytes, Column, RecordColumns
from spool.format.segment_index import StoredBatch

# The varint of the header count is one byte long up to here, ours included.
HEADERS_MAX = 63
# length 5, attributes 1, timestamp delta 10, offset delta 5: the most that the front of a record can take
_FRONT_BYTES_MAX = 21


def encode_partition(columns: RecordColumns, rows: Column, partition: int, log: str) -> Iterator[StoredBatch]:
    """The batches of these rows, in their order, each of at most BATCH_BYTES_MAX uncompressed."""
    headers = _spool_headers(columns, rows, log)
    fixed = columns.body_end[rows] - columns.body_at[rows] + headers.shape[1]
    for first, next_ in _splits(fixed + _FRONT_BYTES_MAX):
        part = slice(first, next_)
        yield _encode_batch(columns, rows[part], headers[part], fixed[part], partition)


def _splits(sizes: Column) -> Iterator[tuple[int, int]]:
    room = BATCH_BYTES_MAX - record_batch.HEADER_BYTES
    ends = np.cumsum(sizes)
    first = used = 0
    while first < len(sizes):
        next_ = max(first + 1, int(np.searchsorted(ends, used + room, "right")))
        yield first, next_
        first, used = next_, int(ends[next_ - 1])


def _encode_batch(columns: RecordColumns, rows: Column, headers: Bytes, fixed: Column, partition: int) -> StoredBatch:
    time_ms = columns.time_ms[rows]
    base_ms, event_count = int(time_ms[0]), len(rows)
    fronts, front_bytes = _fronts(fixed, time_ms - base_ms)
    # One row holds what stands between two bodies: the header of one record and the front of the next.
    header_width = headers.shape[1]
    between = np.zeros((event_count, header_width + _FRONT_BYTES_MAX), np.uint8)
    between[:, :header_width] = headers
    between[:-1, header_width:] = fronts[1:]
    ends = np.arange(0, between.size, between.shape[1]) + header_width
    ends[:-1] += front_bytes[1:]
    encoded, data = between.tobytes(), columns.data
    pieces = [fronts[0, : front_bytes[0]].tobytes()]
    # The loop over every event of the archive: two slices each, and nothing else.
    for body_at, body_end, made_at, made_end in zip(
        columns.body_at[rows].tolist(),
        columns.body_end[rows].tolist(),
        range(0, between.size, between.shape[1]),
        ends.tolist(),
        strict=True,
    ):
        pieces += (data[body_at:body_end], encoded[made_at:made_end])
    batch = _batch(b"".join(pieces), event_count, base_ms, int(time_ms.max()))
    return StoredBatch(partition, batch, event_count, int(columns.offset[rows[0]]), int(columns.offset[rows[-1]]))


def _batch(records: bytes, event_count: int, base_ms: int, max_ms: int) -> bytes:
    length = record_batch.LENGTH_MIN + len(records)
    none = record_batch.NO_PRODUCER
    header = record_batch.HEADER.pack(
        0, length, -1, record_batch.MAGIC, 0, record_batch.TRANSACTIONAL,
        event_count - 1, base_ms, max_ms, none, none, none, event_count,
    )  # fmt: skip
    return compress(bytearray(header + records))


def _spool_headers(columns: RecordColumns, rows: Column, log: str) -> Bytes:
    """The header `spool` of each record; see spool/format/position_header.py."""
    name = log.encode()
    start = SPOOL_NAME + _one_varint(ARCHIVED_BYTES + len(name)) + bytes([VERSION]) + bytes(4)  # generation 0
    at = len(start)
    headers = np.empty((len(rows), at + 20 + len(name)), np.uint8)
    headers[:, :at] = np.frombuffer(start, np.uint8)
    headers[:, at : at + 8] = _big_endian(columns.offset[rows], ">u8")
    headers[:, at + 8 : at + 16] = _big_endian(columns.group_first[rows], ">u8")
    headers[:, at + 16 : at + 20] = _big_endian(columns.group_size[rows], ">u4")
    headers[:, at + 20 :] = np.frombuffer(name, np.uint8)
    return headers


def _fronts(fixed: Column, time_deltas: Column) -> tuple[Bytes, Column]:
    """Length, attributes, timestamp delta and offset delta of each record, and how many bytes of a row they take."""
    rows = len(fixed)
    times, places = _zigzag(time_deltas), _zigzag(np.arange(rows))
    lengths = _zigzag(1 + _varint_bytes(times) + _varint_bytes(places) + fixed)
    fronts = np.zeros((rows, _FRONT_BYTES_MAX), np.uint8)
    at = _put_varints(fronts, np.zeros(rows, np.int64), lengths)
    at = _put_varints(fronts, at + 1, times)
    return fronts, _put_varints(fronts, at, places)


def _put_varints(fronts: Bytes, at: Column, values: npt.NDArray[np.uint64]) -> Column:
    """Write each value into its row at its place; the places after them."""
    rows = np.arange(len(values))
    after = at + 1
    rest = values >> np.uint64(7)
    more = np.flatnonzero(rest)
    fronts[rows, at] = (values & np.uint64(0x7F)).astype(np.uint8) | ((rest > 0).astype(np.uint8) << np.uint8(7))
    while more.size:
        value = rest[more]
        rest[more] = value >> np.uint64(7)
        high = (value > np.uint64(0x7F)).astype(np.uint8) << np.uint8(7)
        fronts[more, after[more]] = (value & np.uint64(0x7F)).astype(np.uint8) | high
        after[more] += 1
        more = more[high > 0]
    return after


def _zigzag(values: Column) -> npt.NDArray[np.uint64]:
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def _varint_bytes(values: npt.NDArray[np.uint64]) -> Column:
    size = np.ones(len(values), np.int64)
    for bits in range(7, 64, 7):
        above = values >= np.uint64(1 << bits)
        if not above.any():
            break
        size += above
    return size


def _one_varint(value: int) -> bytes:
    varint = np.zeros((1, 5), np.uint8)
    end = _put_varints(varint, np.zeros(1, np.int64), _zigzag(np.array([value])))
    return varint[0, : end[0]].tobytes()


def _big_endian(values: Column, kind: str) -> Bytes:
    return values.astype(kind).view(np.uint8).reshape(len(values), -1)
