"""Record batches: fields are patched with the CRC kept right, and nothing broken reaches the compiled reader."""

import pytest

from spool.format import record_batch
from spool.format.position_header import (
    ArchivedPosition,
    decode_archived,
    decode_local,
    encode_archived,
    encode_local,
)


def built(count: int = 3, **options: object) -> bytearray:
    builder = record_batch.builder(size_max=1 << 20, **options)  # type: ignore[arg-type]
    for delta in range(count):
        builder.append(delta, 1_700_000_000_000 + delta, b"k", b"v%d" % delta, [("h", b"x")])
    return bytearray(builder.build())


def test_patched_fields_are_read_back_and_the_crc_is_right():
    data = built()
    record_batch.set_fields(data, base_offset=77, attributes=record_batch.CONTROL, producer=(5, -1, 9))
    header = record_batch.read_header(data)
    assert header is not None
    assert header[:2] == (77, len(data) - 12)
    assert (header.producer_id, header.producer_epoch, header.base_sequence, header.is_control) == (5, -1, 9, True)
    assert record_batch.crc_is_right(data)


def test_offsets_of_records_follow_the_base_offset():
    data = built()
    record_batch.set_fields(data, base_offset=100)
    assert [r.offset for r in record_batch.records(bytes(data))] == [100, 101, 102]


def test_a_changed_byte_behind_the_crc_is_noticed():
    for at in range(record_batch.CRC_START, len(built())):
        data = built()
        data[at] ^= 1
        assert not record_batch.crc_is_right(data)


@pytest.mark.parametrize("cut", range(len(built())))
def test_a_cut_batch_has_no_header(cut):
    assert record_batch.read_header(built()[:cut]) is None


@pytest.mark.parametrize(
    ("at", "value"), [(16, b"\x01"), (8, b"\x7f\xff\xff\xff"), (8, b"\x00\x00\x00\x30"), (57, b"\0\0\0\0")]
)
def test_insane_fields_are_no_header(at, value):
    data = built()
    data[at : at + len(value)] = value
    assert record_batch.read_header(data) is None


def test_zeros_are_no_batch():
    assert record_batch.read_header(bytes(200)) is None


def test_the_position_header_is_read_back_as_written():
    position = ArchivedPosition("k3x9", 2**40, 3, 2**40 - 2, 5)
    assert decode_archived(encode_archived(position)) == position
    assert decode_local(encode_local(5)) == 5


def test_the_bytes_of_the_position_header_are_pinned():
    assert encode_local(2).hex() == "0100000002"
    assert encode_archived(ArchivedPosition("ab", 7, 0, 6, 2)).hex() == (
        "01" "00000000" "0000000000000007" "0000000000000006" "00000002" "6162"
    )  # fmt: skip


@pytest.mark.parametrize("data", [b"", b"\x01\0", b"\x02\0\0\0\0" + bytes(30)])
def test_a_short_or_unknown_position_header_is_refused(data):
    with pytest.raises(ValueError, match="spool header"):
        decode_archived(data)
    with pytest.raises(ValueError, match="spool header"):
        decode_local(data)
