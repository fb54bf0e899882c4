"""
The one header the engine adds, named `spool`, in its two forms. Pure bytes.

In a local segment it stands only on the first record of a group (or of an idempotent append, rule 6):

    0      1             5
    +------+-------------+
    | 1 u8 | group   u32 |                                          a group begins here
    +------+-------------+--------------+-----------+--------------+------------+----------------+
    | 1 u8 | group   u32 | sequence u64 | count u32 | checksum u32 | time_s u32 | producer utf-8 |   a unit begins here
    +------+-------------+--------------+-----------+--------------+------------+----------------+
    group = number of events of the group that begins here, 0 = none; count = events of the unit, which is a group as a
    whole or not at all

In the archive and in Kafka every record has it, as its last header:

    0      1                5            13                21              25
    +------+----------------+------------+-----------------+---------------+--------------+
    | 1 u8 | generation u32 | offset u64 | group first u64 | group size u32 | log id utf-8 |
    +------+----------------+------------+-----------------+---------------+--------------+
    generation = 0 but for events sent again after a rewind; group size = 1 for an event without a group
"""

from __future__ import annotations

import struct
from typing import NamedTuple

VERSION = 1
_LOCAL = struct.Struct(">BI")
_UNIT = struct.Struct(">QIII")
_ARCHIVED = struct.Struct(">BIQQI")
# Of a unit's header, before the producer.
UNIT_BYTES = _LOCAL.size + _UNIT.size
# Of the archived form, before the log id.
ARCHIVED_BYTES = _ARCHIVED.size


class ArchivedPosition(NamedTuple):
    """What the header of an archived or delivered record says."""

    log: str
    offset: int
    generation: int
    group_first: int
    group_size: int


class Unit(NamedTuple):
    """
    An idempotent append, as it is noted on its first record.

    time_s    when it was appended, by the host's clock
    is_group  its events are delivered all or none
    """

    producer: str
    sequence: int
    event_count: int
    checksum: int
    time_s: int
    is_group: bool = False


def encode_unit(unit: Unit) -> bytes:
    numbers = _UNIT.pack(unit.sequence, unit.event_count, unit.checksum, unit.time_s)
    return _LOCAL.pack(VERSION, unit.event_count if unit.is_group else 0) + numbers + unit.producer.encode()


def decode_unit(data: bytes) -> Unit | None:
    """None where a plain group begins. ValueError for an unknown version, a short header or a group of another size."""
    group_size = decode_local(data)
    if len(data) == _LOCAL.size:
        return None
    if len(data) <= UNIT_BYTES:
        raise ValueError(f"spool header of {len(data)} bytes")
    sequence, count, checksum, time_s = _UNIT.unpack_from(data, _LOCAL.size)
    if group_size not in (0, count):
        raise ValueError(f"a group of {group_size} events in a unit of {count}")
    return Unit(data[UNIT_BYTES:].decode(), sequence, count, checksum, time_s, group_size > 0)


def encode_local(group_size: int) -> bytes:
    return _LOCAL.pack(VERSION, group_size)


def decode_local(data: bytes) -> int:
    """The size of the group that begins here. ValueError for an unknown version or a short header."""
    if len(data) < _LOCAL.size:
        raise ValueError(f"spool header of {len(data)} bytes")
    version, group_size = _LOCAL.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"spool header of version {version}, this program reads {VERSION}")
    return int(group_size)


def encode_archived(position: ArchivedPosition) -> bytes:
    return archived_prefix(position) + position.log.encode()


def archived_prefix(position: ArchivedPosition) -> bytes:
    """The header without the log id: for loops over many records of one log."""
    return _ARCHIVED.pack(VERSION, position.generation, position.offset, position.group_first, position.group_size)


def decode_archived(data: bytes) -> ArchivedPosition:
    """ValueError for an unknown version or a short header."""
    if len(data) < _ARCHIVED.size:
        raise ValueError(f"spool header of {len(data)} bytes")
    version, generation, offset, group_first, group_size = _ARCHIVED.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"spool header of version {version}, this program reads {VERSION}")
    return ArchivedPosition(data[_ARCHIVED.size :].decode(), offset, generation, group_first, group_size)
