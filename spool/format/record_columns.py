"""
The records of local commits as columns: where each one's parts are in the bytes, without making an object of any. Pure.

    front   length, attributes, timestamp delta, offset delta                   rebuilt in the archive
    body    key length, key, value length, value, header count, headers         copied

All but attributes (one byte) and contents are zigzag varints. Decoding to objects, adding a header and encoding again
takes 3 us an event in the compiled reader and builder; this takes a third of it, which is what lets one core ship
400,000 events a second (benchmarks/ship.py).

The frames must have passed their checks (spool/log/reader.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from spool.event import SPOOL_HEADER
from spool.format import record_batch
from spool.format.position_header import decode_local

Column = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

# A header's name as it stands in a record: its length (zigzag: doubled) and the name.
SPOOL_NAME = bytes([2 * len(SPOOL_HEADER)]) + SPOOL_HEADER.encode()
# More bytes than any varint has, so that reading the last one stays within the array.
_PADDING = bytes(16)


class Commit(Protocol):
    """What laying out needs of `spool.log.reader.Commit`."""

    @property
    def first_offset(self) -> int: ...
    @property
    def event_count(self) -> int: ...
    @property
    def frame(self) -> bytes | memoryview: ...


class RecordColumns(NamedTuple):
    """
    One row per record, in the order of the log. The columns `_at` and `_end` are places in `data`.

    `data` is a copy of the commits' records, in which each body is already as the archive has it, up to the header
    `spool` that goes behind it: the local one is taken out, and the archived one counted.
    """

    data: bytes
    offset: Column
    time_ms: Column
    body_at: Column
    body_end: Column
    key_at: Column
    key_bytes: Column  # -1: no key
    header_count: Column
    group_first: Column
    group_size: Column


def columns(commits: Sequence[Commit]) -> RecordColumns:
    """The records of whole, checked commits."""
    data = bytearray().join([memoryview(commit.frame)[record_batch.HEADER_BYTES :] for commit in commits]) + _PADDING
    view = np.frombuffer(data, np.uint8)
    lengths, at = varints(view, np.array(_starts(data, len(data) - len(_PADDING)), np.int64))
    body_end = at + lengths
    time_deltas, at = varints(view, at + 1)
    _offset_deltas, body_at = varints(view, at)
    key_bytes, key_at = varints(view, body_at)
    value_bytes, at = varints(view, key_at + np.maximum(key_bytes, 0))
    count_at = at + np.maximum(value_bytes, 0)
    header_count, headers_at = varints(view, count_at)

    counts = [commit.event_count for commit in commits]
    commit_of = np.repeat(np.arange(len(commits)), counts)
    offset = np.concatenate([np.arange(c.first_offset, c.first_offset + c.event_count) for c in commits])
    base_ms = [record_batch.HEADER.unpack_from(commit.frame)[7] for commit in commits]
    opening = _with_local_header(view, header_count, headers_at)
    removed, declared = _take_out_local_headers(data, view, opening, body_at, headers_at)
    # The count's varint is one byte for up to 63 headers; above HEADERS_MAX these bytes are not used.
    added = np.ones_like(offset)
    added[opening] = 0
    header_count += added
    view[count_at + removed] += 2 * added.astype(np.uint8)
    group_first, group_size = _groups(commit_of, offset, opening, declared)
    return RecordColumns(
        bytes(data), offset, time_deltas + np.repeat(base_ms, counts), body_at + removed, body_end, key_at + removed,
        key_bytes, header_count, group_first, group_size,
    )  # fmt: skip


def varints(view: Bytes, at: Column) -> tuple[Column, Column]:
    """The zigzag varints at these places, and the places after them."""
    byte = view[at]
    value = (byte & 0x7F).astype(np.uint64)
    after = at + 1
    more = np.flatnonzero(byte > 0x7F)
    shift = 7
    while more.size:
        byte = view[after[more]]
        value[more] |= (byte & 0x7F).astype(np.uint64) << np.uint64(shift)
        after[more] += 1
        more = more[byte > 0x7F]
        shift += 7
    half = (value >> np.uint64(1)).view(np.int64)
    return half ^ -(value & np.uint64(1)).view(np.int64), after


def _starts(data: bytearray, end: int) -> list[int]:
    """Where each record begins: the one thing that only a walk through all of them shows."""
    starts = []
    at = 0
    while at < end:
        starts.append(at)
        low = data[at]
        if low < 0x80:
            at += 1 + (low >> 1)
        elif (high := data[at + 1]) < 0x80:
            at += 2 + ((low & 0x7F | high << 7) >> 1)
        else:
            at += _long_record(data, at)
    return starts


def _long_record(data: bytearray, at: int) -> int:
    length, shift, size = 0, 0, 0
    while True:
        byte = data[at + size]
        length |= (byte & 0x7F) << shift
        size += 1
        shift += 7
        if byte < 0x80:
            return size + (length >> 1)


def _with_local_header(view: Bytes, header_count: Column, headers_at: Column) -> Column:
    """The rows whose first header is `spool`; each comparison is made for the few that passed the one before."""
    rows = np.flatnonzero(header_count > 0)
    for place, byte in enumerate(SPOOL_NAME):
        rows = rows[view[headers_at[rows] + place] == byte]
    return rows


def _take_out_local_headers(
    data: bytearray, view: Bytes, rows: Column, body_at: Column, headers_at: Column
) -> tuple[Column, Column]:
    """Move what stands before the header behind it. How far, for all records; and the groups' sizes, for these rows."""
    removed = np.zeros_like(body_at)
    value_bytes, value_at = varints(view, headers_at[rows] + len(SPOOL_NAME))
    removed[rows] = value_at + value_bytes - headers_at[rows]
    sizes = []
    for start, headers, value, end in zip(
        body_at[rows].tolist(),
        headers_at[rows].tolist(),
        value_at.tolist(),
        (value_at + value_bytes).tolist(),
        strict=True,
    ):
        sizes.append(decode_local(bytes(data[value:end])))
        data[start + end - headers : end] = data[start:headers]
    return removed, np.array(sizes, np.int64)


def _groups(commit_of: Column, offset: Column, opening: Column, declared: Column) -> tuple[Column, Column]:
    """Group's first offset and size for each record; a group ends with its commit whatever it declares."""
    sizes = np.zeros_like(offset)
    sizes[opening] = declared
    rows = np.arange(len(offset))
    opener = np.maximum.accumulate(np.where(sizes > 0, rows, -1))
    inside = (opener >= 0) & (rows < opener + sizes[opener]) & (commit_of == commit_of[opener])
    return np.where(inside, offset[opener], offset), np.where(inside, sizes[opener], 1)
