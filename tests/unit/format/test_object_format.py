"""The bytes of an archived segment: golden, damaged, of another version."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from aiokafka.record.util import calc_crc32c

from spool.errors import CorruptObject
from spool.format import object_format, record_batch, segment_index
from spool.format.layout import lay_out
from spool.format.object_format import (
    ArchivedSegment,
    Hole,
    decode_index,
    decode_object,
    encode_object,
    footer_size,
)
from spool.format.relayout import relay
from tests.support.local_commits import LocalEvent, commit

GOLDEN = Path(__file__).parent / "golden" / "object-v1.seg"


def small_segment() -> ArchivedSegment:
    """Two chunks' worth of commits with a hole between them, in two partitions."""
    first = commit(100, [LocalEvent(b"v%d" % n, b"k%d" % n, 1000 + n) for n in range(3)])
    second = commit(105, [LocalEvent(b"w%d" % n, None, 900 + n, (("ce_id", b"x"),)) for n in range(2)], groups=[2])
    chunks = tuple(lay_out([first], log="l1", partitions=2)) + tuple(lay_out([second], log="l1", partitions=2))
    return ArchivedSegment(
        "events", "l1", 3, 100, 107, 2, "murmur2", "ab" * 32, "cd" * 32, ("l0", 7), (Hole(103, 105, "damaged"),), chunks
    )


def test_a_segment_comes_back_as_it_was() -> None:
    segment = small_segment()
    again = decode_object(encode_object(segment))
    assert again == segment
    assert again.event_count == 5


def test_the_bytes_of_the_format_do_not_change() -> None:
    # Objects live for years: a change here changes the format, and needs a new version.
    # The batches are taken from the file: another release of zstd may compress otherwise.
    assert encode_object(decode_object(GOLDEN.read_bytes())) == GOLDEN.read_bytes()


def test_an_object_of_version_1_can_be_read() -> None:
    stored, made = decode_object(GOLDEN.read_bytes()), small_segment()
    assert stored._replace(chunks=()) == made._replace(chunks=())
    for one, other in zip(stored.chunks, made.chunks, strict=True):
        assert relay(one, partitions=2) == relay(other, partitions=2)


def test_every_damaged_byte_is_detected() -> None:
    body = encode_object(small_segment())
    for at in range(len(body)):
        for change in (0x01, 0x80, 0xFF):
            damaged = bytearray(body)
            damaged[at] ^= change
            with pytest.raises(CorruptObject):
                decode_object(bytes(damaged))


def test_every_cut_is_detected() -> None:
    body = encode_object(small_segment())
    for end in range(len(body)):
        with pytest.raises(CorruptObject):
            decode_object(body[:end])
    for start in range(1, len(body)):
        with pytest.raises(CorruptObject):
            decode_object(body[start:])


def test_an_index_is_read_from_the_last_bytes() -> None:
    segment = small_segment()
    body = encode_object(segment)
    size = footer_size(body[-16:])
    index = decode_index(body[-size:])
    assert index is not None
    assert index == decode_index(body)
    assert [c._replace(batches=()) for c in index.chunks] == [c._replace(batches=()) for c in segment.chunks]
    assert all(stored.data == b"" for chunk in index.chunks for stored in chunk.batches)
    assert decode_index(body[-size + 1 :]) is None


def test_a_newer_version_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_index, "VERSION", 2)
    body = encode_object(small_segment())
    monkeypatch.undo()
    with pytest.raises(CorruptObject, match="version 2, this program reads 1") as caught:
        decode_object(body)
    assert "upgrade" in caught.value.hint


def test_unknown_fields_of_a_footer_are_passed_over() -> None:
    document = json.loads(segment_index.to_json(small_segment()))
    document["later"] = {"a": 1}
    assert segment_index.from_json(json.dumps(document).encode()).segment.log == "l1"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first", 99),
        ("next", 108),
        ("next", "many"),
        ("partitions", 1),
        ("log", "../l1"),
        ("holes", []),
        ("holes", [[103, 105]]),
        ("chunks", [[100, 100, 0, 0, 0, []]]),
        ("chunks", None),
    ],
)
def test_a_footer_that_contradicts_itself_is_refused(field: str, value: object) -> None:
    document = json.loads(segment_index.to_json(small_segment()))
    document[field] = value
    with pytest.raises(CorruptObject):
        segment_index.from_json(json.dumps(document).encode())


@pytest.mark.parametrize("missing", ["version", "stream", "chunks", "source_sha256", "after"])
def test_a_footer_without_a_field_is_refused(missing: str) -> None:
    document = json.loads(segment_index.to_json(small_segment()))
    del document[missing]
    with pytest.raises(CorruptObject, match=missing):
        segment_index.from_json(json.dumps(document).encode())


def test_a_footer_that_is_no_json_object_is_refused() -> None:
    for value in (b"[]", b"3", b"\xff", b"{"):
        with pytest.raises(CorruptObject):
            segment_index.from_json(value)


def test_a_record_batch_of_another_kind_in_the_footers_place_is_refused() -> None:
    batch = bytes(next(lay_out([commit(0, [LocalEvent(b"v")])], log="l1", partitions=1)).batches[0].data)
    start = struct.pack(">8sI", object_format.MAGIC, len(batch))
    with pytest.raises(CorruptObject, match="another kind"):
        decode_object(batch + start + struct.pack(">I", calc_crc32c(batch + start)))


def test_a_batch_that_is_not_transactional_is_refused() -> None:
    segment = small_segment()
    data = bytearray(segment.chunks[0].batches[0].data)
    record_batch.set_fields(data, attributes=record_batch.read_header(data).attributes & ~record_batch.TRANSACTIONAL)
    first = segment.chunks[0]
    batches = (first.batches[0]._replace(data=bytes(data)), *first.batches[1:])
    body = encode_object(segment._replace(chunks=(first._replace(batches=batches), *segment.chunks[1:])))
    with pytest.raises(CorruptObject, match="attributes"):
        decode_object(body)


def test_a_segment_of_holes_alone_can_be_archived() -> None:
    segment = small_segment()._replace(chunks=(), holes=(Hole(100, 107, "damaged"),))
    assert decode_object(encode_object(segment)) == segment
