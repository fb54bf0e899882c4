"""
The first batch of every segment: a control batch that says which segment this is. Pure bytes.

    baseOffset, producerId  the segment's first offset      producerEpoch  tag of the log
    baseSequence            the next commit's number        attributes     control (bit 5)
    one record:  key   int16 0, int16 21328
                 value JSON {version, stream, log, segment, first_offset, next_commit, previous_sha256, after, nonce,
                       previous_next}

It uses up neither an offset nor a commit number. `nonce` makes every segment's sha256 unique, so a fork that wrote the
same events is still seen.
"""

from __future__ import annotations

import json
import secrets
import struct
import zlib
from typing import NamedTuple

from spool.errors import CorruptSegment
from spool.format import record_batch

VERSION = 1
CONTROL_TYPE = 21328
COMMIT_NUMBERS = 2**31
_KEY = struct.pack(">hh", 0, CONTROL_TYPE)
# A header is a few hundred bytes; the bound keeps a reader from loading a segment to see it.
HEADER_BYTES_MAX = 4096


class NewerVersion(CorruptSegment):
    """A program newer than this one wrote the segment; it is left as it is."""

    def __init__(self, segment: str, version: object) -> None:
        super().__init__(segment, 0, f"format version {version}, this program reads {VERSION}")
        self.hint = "a newer version wrote it: upgrade this program, nothing is wrong with the file"


class SegmentHeader(NamedTuple):
    """
    Which segment this is.

    previous_sha256  of the sealed segment before it; empty for the first
    after            (log, segment) that this log continues, on the first segment of a successor; else None
    previous_next    the offset after the segment before; what is between it and first_offset is a hole.
                     -1 in headers written before there was such a field
    """

    stream: str
    log: str
    segment: int
    first_offset: int
    next_commit: int
    previous_sha256: str = ""
    after: tuple[str, int] | None = None
    nonce: str = ""
    previous_next: int = -1

    @property
    def begins_at(self) -> int:
        """The first offset that this segment answers for, with the hole in front of its commits."""
        return self.first_offset if self.previous_next < 0 else self.previous_next


def log_tag(log: str) -> int:
    """The signed 16 bits that every commit of a log carries, so that a stray frame of another log is noticed."""
    tag: int = struct.unpack(">h", struct.pack(">H", zlib.crc32(log.encode()) & 0xFFFF))[0]
    return tag


def encode_segment_header(header: SegmentHeader) -> bytes:
    """A whole control batch; an empty nonce gets a random one."""
    document = {"version": VERSION, **header._asdict(), "nonce": header.nonce or secrets.token_hex(8)}
    builder = record_batch.builder(size_max=HEADER_BYTES_MAX)
    builder.append(0, 0, _KEY, json.dumps(document, separators=(",", ":")).encode(), [])
    frame = builder.build()
    producer = (header.first_offset, log_tag(header.log), header.next_commit % COMMIT_NUMBERS)
    record_batch.set_fields(frame, base_offset=header.first_offset, attributes=record_batch.CONTROL, producer=producer)
    return bytes(frame)


def decode_segment_header(data: bytes, name: str) -> tuple[SegmentHeader, int]:
    """The header at the start of `data` and its size in bytes. CorruptSegment naming `name`."""
    fields = record_batch.read_header(data)
    if fields is None or not fields.is_control:
        raise CorruptSegment(name, 0, "does not begin with a segment header")
    frame = data[: fields.size_bytes]
    if not record_batch.crc_is_right(frame):
        raise CorruptSegment(name, 0, "the segment header does not pass its CRC")
    record = next(record_batch.records(frame))
    if record.key != _KEY or record.value is None:
        raise CorruptSegment(name, 0, "begins with a control batch of another kind")
    header = _from_json(record.value, name)
    expected = (header.first_offset, header.first_offset, log_tag(header.log), header.next_commit % COMMIT_NUMBERS, -1)
    if (fields.base_offset, *fields[9:12], fields.leader_epoch) != expected:
        raise CorruptSegment(name, 0, "the segment header's fields and its text differ")
    return header, fields.size_bytes


def refuse_foreign(header: SegmentHeader, stream: str, log: str, name: str) -> None:
    """CorruptSegment if a whole segment of another log is in this one's folder."""
    if (header.stream, header.log) != (stream, log):
        raise CorruptSegment(name, 0, f"belongs to {header.stream}/{header.log}")


def _from_json(value: bytes, name: str) -> SegmentHeader:
    try:
        document = json.loads(value)
        version = document.pop("version")
        if version != VERSION:
            raise NewerVersion(name, version)
        after = document["after"]
        document["after"] = (str(after[0]), int(after[1])) if after else None
        # What a later program adds without changing the version may be passed over.
        header = SegmentHeader(**{name: document[name] for name in SegmentHeader._fields if name in document})
        if not 0 <= header.begins_at <= header.first_offset:
            raise ValueError(f"previous_next {header.previous_next} is after first_offset {header.first_offset}")
        return header
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise CorruptSegment(name, 0, f"the segment header's text is not as it should be: {error}") from None
