"""The header of a segment says which it is, or is refused."""

from __future__ import annotations

import json

import pytest

from spool.errors import CorruptSegment
from spool.format import record_batch, segment_header
from spool.format.segment_header import (
    VERSION,
    NewerVersion,
    SegmentHeader,
    decode_segment_header,
    encode_segment_header,
    log_tag,
)

HEADER = SegmentHeader("events", "k3x9", 7, 1000, 2**31 + 5, "ab" * 32, ("old", 3), "0011223344556677")


def test_a_header_reads_back_as_written() -> None:
    frame = encode_segment_header(HEADER)
    assert decode_segment_header(frame + b"commits", "x") == (HEADER, len(frame))


def test_a_header_is_a_control_batch_that_uses_up_neither_offset_nor_commit() -> None:
    fields = record_batch.read_header(encode_segment_header(HEADER))
    assert fields is not None
    assert fields.attributes == record_batch.CONTROL
    assert fields.base_offset == fields.producer_id == 1000
    assert fields.base_sequence == 5
    assert fields.producer_epoch == log_tag("k3x9")
    (record,) = record_batch.records(encode_segment_header(HEADER))
    assert record.key == bytes([0, 0, 0x53, 0x50])
    assert json.loads(record.value or b"")["version"] == 1


def test_two_headers_of_the_same_segment_differ() -> None:
    bare = HEADER._replace(nonce="")
    assert encode_segment_header(bare) != encode_segment_header(bare)


def test_a_newer_version_is_refused_and_says_that_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_header, "VERSION", 2)
    frame = encode_segment_header(HEADER)
    monkeypatch.undo()
    with pytest.raises(NewerVersion, match="format version 2, this program reads 1") as caught:
        decode_segment_header(frame, "000000000007.sealed")
    assert "upgrade" in caught.value.hint


def test_every_damaged_byte_of_a_header_is_seen() -> None:
    frame = encode_segment_header(HEADER)
    for place in range(len(frame)):
        damaged = bytearray(frame)
        damaged[place] ^= 0x04
        with pytest.raises(CorruptSegment):
            decode_segment_header(bytes(damaged), "x")


def test_every_shorter_header_is_refused() -> None:
    frame = encode_segment_header(HEADER)
    for size in range(len(frame)):
        with pytest.raises(CorruptSegment):
            decode_segment_header(frame[:size], "x")


def test_a_header_of_before_says_nothing_of_the_segment_before_and_a_later_one_may_say_more() -> None:
    def as_written(change: dict[str, object], *without: str) -> SegmentHeader:
        document = {"version": VERSION, **HEADER._asdict(), **change}
        text = json.dumps({name: value for name, value in document.items() if name not in without}).encode()
        return segment_header._from_json(text, "segment")

    old = as_written({}, "previous_next")
    assert (old.previous_next, old.begins_at) == (-1, HEADER.first_offset)
    new = as_written({"previous_next": 990, "of_a_later_program": [1]})
    assert new.begins_at == 990
    with pytest.raises(CorruptSegment, match="is after first_offset"):
        as_written({"previous_next": 1001})
