"""
The bytes of a record batch, Kafka's format v2. Pure: no files here.

    byte  0 baseOffset            i64   not covered by the CRC
          8 length                i32   of what follows, 49 at least; not covered
         12 partitionLeaderEpoch  i32   not covered
         16 magic                 i8    2; not covered
         17 crc                   u32   CRC-32C of byte 21 to the end
         21 attributes            i16   bits 0-2 compression, 4 transactional, 5 control
         23 lastOffsetDelta       i32
         27 baseTimestamp         i64   ms
         35 maxTimestamp          i64   ms
         43 producerId            i64
         51 producerEpoch         i16
         53 baseSequence          i32
         57 recordCount           i32
         61 records

Encoding and decoding of records is aiokafka's compiled code. It trusts its input (a short buffer ends the
process), so nothing reaches it before `read_header` and `crc_is_right` have passed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = HEADER.size
assert HEADER_BYTES == 61
LENGTH_BYTES = 12  # baseOffset and length themselves are not counted by `length`
LENGTH_MIN = HEADER_BYTES - LENGTH_BYTES
LENGTH_MAX = 16 * 1024 * 1024  # bounds what a damaged length can make us read; a commit is 8 MB at most
MAGIC = 2
CRC_START = 21

NO_COMPRESSION = 0
ZSTD = 4
COMPRESSION_MASK = 0x07
TRANSACTIONAL = 0x10
CONTROL = 0x20
NO_PRODUCER = -1


class BatchHeader(NamedTuple):
    """The 61 bytes, in their order; `length` as stored (the whole batch is `size_bytes`)."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp_ms: int
    max_timestamp_ms: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size_bytes(self) -> int:
        return self.length + LENGTH_BYTES

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL)


class Record(Protocol):
    """What the compiled reader yields; `offset` = baseOffset + its delta."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> list[tuple[str, bytes | None]]: ...


def read_header(data: bytes | bytearray | memoryview, at: int = 0) -> BatchHeader | None:
    """The header at byte `at`, or None if no header of sane length and magic is completely within `data`."""
    if len(data) - at < HEADER_BYTES:
        return None
    header = BatchHeader._make(HEADER.unpack_from(data, at))
    if header.magic != MAGIC or not LENGTH_MIN <= header.length <= LENGTH_MAX or header.record_count < 1:
        return None
    if at + header.size_bytes > len(data):
        return None
    return header


def crc_is_right(batch: bytes | bytearray | memoryview) -> bool:
    """Whether a whole batch (`read_header` passed, cut to its size) passes its CRC."""
    stored: int = struct.unpack_from(">I", batch, 17)[0]
    return bool(stored == calc_crc32c(memoryview(batch)[CRC_START:]))


def records(batch: bytes) -> Iterator[Record]:
    """Decode a whole batch whose header and CRC were checked."""
    return iter(DefaultRecordBatch(batch))


def builder(
    *, compression: int = NO_COMPRESSION, transactional: bool = False, size_max: int
) -> DefaultRecordBatchBuilder:
    """
    A compiled builder: `append(delta, timestamp_ms, key, value, headers)` is None once `size_max` would be passed.

    The first record is always taken, whatever its size.
    """
    return DefaultRecordBatchBuilder(
        MAGIC, compression, int(transactional), NO_PRODUCER, NO_PRODUCER, NO_PRODUCER, size_max
    )


def set_fields(
    batch: bytearray,
    *,
    base_offset: int | None = None,
    attributes: int | None = None,
    producer: tuple[int, int, int] | None = None,
) -> None:
    """
    Change fields of a built batch in place; leader epoch becomes -1 and the CRC is right again.

    producer is (producerId, producerEpoch, baseSequence).
    """
    if base_offset is not None:
        struct.pack_into(">q", batch, 0, base_offset)
    struct.pack_into(">i", batch, 12, -1)
    if attributes is not None:
        struct.pack_into(">h", batch, 21, attributes)
    if producer is not None:
        struct.pack_into(">qhi", batch, 43, *producer)
    if attributes is not None or producer is not None:
        struct.pack_into(">I", batch, 17, calc_crc32c(memoryview(batch)[CRC_START:]))
