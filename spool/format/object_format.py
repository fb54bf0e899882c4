"""
The bytes of an archived segment. Pure: no store here.

    +---------------------------------------------------------------+
    | chunk 0: stored batch, stored batch, ...                      |   record batches as Kafka will get them
    | chunk 1: ...                                                  |
    +---------------------------------------------------------------+
    | footer: one control batch, key int16 0, int16 21329,          |   value: JSON, see segment_index.py
    |         baseOffset 0                                          |
    +---------------------------------------------------------------+
    | 0        8                12              16                  |   trailer, 16 bytes
    | "SPOOLOBJ" footer size u32 crc32c u32                         |   of the footer and of trailer bytes 0 to 11
    +---------------------------------------------------------------+

A stored batch: format v2, zstd, transactional, baseOffset 0 (Kafka refuses a compressed batch with another), leader
epoch and producer fields -1. Its CRC covers byte 21 to the end; the fields before have one right value each, so every
byte of an object is checked.

Kafka's DumpLogSegments reads a copy named `<20 digits>.log`: 16 bytes are too few for the start of a batch, so it stops
before the trailer.
"""

from __future__ import annotations

import struct

from aiokafka.record.util import calc_crc32c

from spool.errors import CorruptObject
from spool.format import record_batch, segment_index
from spool.format.segment_index import ArchivedSegment, Chunk, Hole, Index, StoredBatch

__all__ = ["ArchivedSegment", "Chunk", "Hole", "StoredBatch", "decode_index", "decode_object", "encode_object"]

FOOTER_CONTROL_TYPE = 21329
MAGIC = b"SPOOLOBJ"
TRAILER = struct.Struct(">8sII")
TRAILER_BYTES = TRAILER.size
assert TRAILER_BYTES <= 16  # Kafka's tools take 17 bytes for the start of a batch
_CHECKED_TRAILER_BYTES = 12

_FOOTER_KEY = struct.pack(">hh", 0, FOOTER_CONTROL_TYPE)
_COMPRESSIONS = (record_batch.NO_COMPRESSION, record_batch.ZSTD)


def encode_object(segment: ArchivedSegment) -> bytes:
    """The same segment gives the same bytes, always."""
    footer = _footer_batch(segment_index.to_json(segment))
    start = TRAILER.pack(MAGIC, len(footer), 0)[:_CHECKED_TRAILER_BYTES]
    parts = [stored.data for chunk in segment.chunks for stored in chunk.batches]
    parts += [footer, start, struct.pack(">I", calc_crc32c(footer + start))]
    return b"".join(parts)


def decode_object(body: bytes) -> ArchivedSegment:
    """Everything is checked, each batch by its CRC; `data` are views into `body`. CorruptObject on anything wrong."""
    index, footer_at = _decode_footer(body)
    view = memoryview(body)[:footer_at]
    if sum(index.sizes) != footer_at:
        raise CorruptObject(f"its batches have {sum(index.sizes)} bytes, its footer begins at byte {footer_at}")
    sizes = iter(index.sizes)
    chunks = []
    at = 0
    for chunk in index.segment.chunks:
        batches = []
        for stored in chunk.batches:
            data = view[at : at + next(sizes)]
            _check_batch(stored, data, at)
            batches.append(stored._replace(data=data))
            at += len(data)
        chunks.append(chunk._replace(batches=tuple(batches)))
    return index.segment._replace(chunks=tuple(chunks))


def decode_index(tail: bytes) -> ArchivedSegment | None:
    """
    The segment without its batches' data, from the last bytes of an object.

    None where the footer begins before `tail`: `footer_size` says how many bytes it takes. CorruptObject as above.
    """
    if footer_size(tail) > len(tail):
        return None
    return _decode_footer(tail)[0].segment


def footer_size(tail: bytes) -> int:
    """How many of an object's last bytes hold footer and trailer."""
    if len(tail) < TRAILER_BYTES:
        raise CorruptObject(f"{len(tail)} bytes, too few for an object")
    magic, size, _crc = TRAILER.unpack_from(tail, len(tail) - TRAILER_BYTES)
    if magic != MAGIC:
        raise CorruptObject("does not end in an object's trailer")
    return int(size) + TRAILER_BYTES


def _footer_batch(value: bytes) -> bytes:
    builder = record_batch.builder(size_max=record_batch.LENGTH_MAX)
    builder.append(0, 0, _FOOTER_KEY, value, [])
    data = builder.build()
    record_batch.set_fields(data, base_offset=0, attributes=record_batch.CONTROL)
    return bytes(data)


def _decode_footer(tail: bytes) -> tuple[Index, int]:
    """The index and the byte of `tail` where the footer begins."""
    size = footer_size(tail)
    footer_at = len(tail) - size
    if footer_at < 0:
        raise CorruptObject(f"{len(tail)} bytes, but a footer of {size}")
    (crc,) = struct.unpack_from(">I", tail, len(tail) - 4)
    if crc != calc_crc32c(tail[footer_at:-4]):
        raise CorruptObject("its footer does not pass its CRC")
    footer = tail[footer_at:-TRAILER_BYTES]
    header = record_batch.read_header(footer)
    if header is None or header.size_bytes != len(footer) or not record_batch.crc_is_right(footer):
        raise CorruptObject("its footer is no record batch")
    record = next(record_batch.records(footer))
    if not header.is_control or record.key != _FOOTER_KEY or record.value is None:
        raise CorruptObject("its footer is another kind of record")
    return segment_index.from_json(record.value), footer_at


def _check_batch(stored: StoredBatch, data: memoryview, at: int) -> None:
    header = record_batch.read_header(data)
    if header is None or header.size_bytes != len(data):
        raise CorruptObject(f"no record batch of {len(data)} bytes at byte {at}")
    if (header.base_offset, header.leader_epoch) != (0, -1):
        raise CorruptObject(f"record batch at byte {at}: base offset {header.base_offset}, epoch {header.leader_epoch}")
    if not record_batch.crc_is_right(data):
        raise CorruptObject(f"record batch at byte {at} does not pass its CRC")
    if header.record_count != stored.event_count or header.last_offset_delta != stored.event_count - 1:
        raise CorruptObject(f"record batch at byte {at} holds {header.record_count} events, not {stored.event_count}")
    compression = header.attributes & record_batch.COMPRESSION_MASK
    if (
        compression not in _COMPRESSIONS
        or header.attributes & ~record_batch.COMPRESSION_MASK != record_batch.TRANSACTIONAL
    ):
        raise CorruptObject(f"record batch at byte {at} has attributes {header.attributes:#x}")
