"""Laying out commits as chunks, and chunks again."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from spool.format import layout, partition_batches, record_batch
from spool.format.layout import lay_out
from spool.format.partitioner import Partitioner
from spool.format.position_header import ArchivedPosition, decode_archived
from spool.format.relayout import relay
from spool.format.segment_index import Chunk
from tests.support.local_commits import TIME_MS, LocalCommit, LocalEvent, commit, commits

Delivered = tuple[int, ArchivedPosition, int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]


def delivered(chunks: Iterable[Chunk]) -> list[Delivered]:
    """(partition, position, time, key, value, other headers) of each record, in the order of the batches."""
    found: list[Delivered] = []
    for chunk in chunks:
        for stored in chunk.batches:
            records = list(record_batch.records(bytes(stored.data)))
            positions = [decode_archived(record.headers[-1][1] or b"") for record in records]
            assert [record.headers[-1][0] for record in records] == ["spool"] * len(records)
            assert len(records) == stored.event_count
            assert (positions[0].offset, positions[-1].offset) == (stored.first_offset, stored.last_offset)
            found += [
                (stored.partition, position, record.timestamp, record.key, record.value, tuple(record.headers[:-1]))
                for position, record in zip(positions, records, strict=True)
            ]
    return found


def appended(made: Iterable[LocalCommit], log: str, partitions: int) -> list[Delivered]:
    """What `delivered` should give, worked out from the local frames, one record at a time, in the order of the log."""
    expected: list[Delivered] = []
    partitioner = Partitioner(log, partitions)
    for one in made:
        for record in record_batch.records(one.frame):
            position = ArchivedPosition(log, record.offset, 0, record.offset, 1)
            (partition,) = partitioner.of([record.key], [record.offset])
            expected.append((partition, position, record.timestamp, record.key, record.value, tuple(record.headers)))
    return expected


@pytest.mark.parametrize("partitions", [1, 3, 16])
def test_every_event_is_there_once_whole_and_in_its_partition(partitions: int) -> None:
    made = commits(3000, per_commit=70)
    found = delivered(lay_out(made, log="l1", partitions=partitions))
    assert sorted(found, key=lambda one: one[1].offset) == appended(made, "l1", partitions)


@pytest.mark.parametrize("partitions", [1, 5])
def test_columns_give_the_bytes_that_objects_give(partitions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(3)
    made, offset = [], 0
    for number in range(10):
        events = [strange_event(source) for _ in range(source.randrange(1, 40))]
        groups = [source.randrange(1, 5) for _ in range(source.randrange(0, 4))]
        while sum(groups) > len(events):
            groups.pop()
        made.append(commit(offset, events, groups=groups, number=number))
        offset += len(events) + source.randrange(0, 2)
    by_columns = list(lay_out(made, log="l1", partitions=partitions))
    monkeypatch.setattr(layout, "HEADERS_MAX", -1)
    assert by_columns == list(lay_out(made, log="l1", partitions=partitions))


def strange_event(source: random.Random) -> LocalEvent:
    """Sizes around those where a varint grows, times back and forth, null and repeated and unusual headers."""
    size = source.choice([0, 1, 62, 63, 64, 65, 126, 127, 128, 200, 8191, 8192, 20_000])
    key = source.choice([None, b"", b"k", source.randbytes(source.randrange(1, 80)), b"x" * 64])
    value = source.choice([None, source.randbytes(size), b"v" * size])
    names = ["ce_id", "spool_from", "spoon", "x", "n" * 63, "n" * 64, "ünï"]
    headers = tuple(
        (source.choice(names), source.choice([None, b"", source.randbytes(size % 300)]))
        for _ in range(source.choice([0, 1, 5, 61]))
    )
    return LocalEvent(value, key, TIME_MS + source.choice([0, -1, 63, -64, 64, 10**6, -(10**9), 10**12]), headers)


def test_an_event_with_very_many_headers_is_laid_out_too() -> None:
    headers = tuple((f"h{n}", b"%d" % n) for n in range(200))
    made = commit(0, [LocalEvent(b"v", b"k", TIME_MS, headers), LocalEvent(b"w", b"k")])
    found = delivered(lay_out([made], log="l1", partitions=2))
    assert [one[5] for one in found] == [headers, ()]


def test_within_a_partition_events_keep_the_order_of_the_log() -> None:
    found = delivered(lay_out(commits(3000), log="l1", partitions=4))
    for partition in range(4):
        offsets = [one[1].offset for one in found if one[0] == partition]
        assert offsets == sorted(offsets)


def test_an_event_of_a_group_names_the_groups_first_offset_and_size() -> None:
    made = commit(10, [LocalEvent(b"%d" % n) for n in range(7)], groups=[3, 2])
    found = delivered(lay_out([made], log="l1", partitions=1))
    assert [(p.offset, p.group_first, p.group_size) for _, p, *_ in found] == [
        (10, 10, 3), (11, 10, 3), (12, 10, 3), (13, 13, 2), (14, 13, 2), (15, 15, 1), (16, 16, 1),
    ]  # fmt: skip
    assert all(headers == () for *_, headers in found)


def test_a_group_ends_with_its_commit_even_if_damage_says_otherwise() -> None:
    first = commit(0, [LocalEvent(b"a")], groups=[5])
    found = delivered(lay_out([first, commit(1, [LocalEvent(b"b")])], log="l1", partitions=1))
    assert [(p.group_first, p.group_size) for _, p, *_ in found] == [(0, 5), (1, 1)]


def test_a_chunk_holds_whole_commits_up_to_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    made = commits(1000, per_commit=100)
    monkeypatch.setattr(layout, "CHUNK_EVENTS_MAX", 250)
    assert [(c.first_offset, c.next_offset) for c in lay_out(made, log="l1", partitions=2)] == [
        (0, 200), (200, 400), (400, 600), (600, 800), (800, 1000),
    ]  # fmt: skip
    monkeypatch.setattr(layout, "CHUNK_EVENTS_MAX", 50_000)
    monkeypatch.setattr(layout, "CHUNK_BYTES_MAX", max(len(one.frame) for one in made))
    assert len(list(lay_out(made, log="l1", partitions=2))) == 10


def test_a_chunk_knows_its_times_and_its_number_of_events() -> None:
    made = commit(5, [LocalEvent(b"x", None, TIME_MS + t) for t in (50, 10, 30)])
    (chunk,) = lay_out([made], log="l1", partitions=3)
    assert (chunk.min_time_ms, chunk.max_time_ms, chunk.event_count) == (TIME_MS + 10, TIME_MS + 50, 3)


def test_a_hole_between_commits_lies_outside_of_every_batch() -> None:
    made = [commit(0, [LocalEvent(b"a")]), commit(9, [LocalEvent(b"b")])]
    (chunk,) = lay_out(made, log="l1", partitions=1)
    assert (chunk.first_offset, chunk.next_offset, chunk.event_count) == (0, 10, 2)


def test_a_batch_never_passes_a_megabyte_uncompressed() -> None:
    made = commit(0, [LocalEvent(b"x" * 90_000, b"k") for _ in range(40)])
    (chunk,) = lay_out([made], log="l1", partitions=1)
    assert [stored.event_count for stored in chunk.batches] == [11, 11, 11, 7]
    for stored in chunk.batches:
        assert (
            sum(len(r.value or b"") for r in record_batch.records(bytes(stored.data)))
            < partition_batches.BATCH_BYTES_MAX
        )


def test_stored_batches_have_the_fields_that_replay_relies_on() -> None:
    (chunk,) = lay_out(commits(500), log="l1", partitions=2)
    for stored in chunk.batches:
        header = record_batch.read_header(stored.data)
        assert header is not None
        assert header.base_offset == 0
        assert header.leader_epoch == -1
        assert header.attributes == record_batch.TRANSACTIONAL | record_batch.ZSTD
        assert (header.producer_id, header.producer_epoch, header.base_sequence) == (-1, -1, -1)
        assert header.last_offset_delta == stored.event_count - 1
        assert record_batch.crc_is_right(stored.data)


def test_what_does_not_shrink_is_stored_plain() -> None:
    made = commit(0, [LocalEvent(random.Random(1).randbytes(5000))])
    (chunk,) = lay_out([made], log="l1", partitions=1)
    header = record_batch.read_header(chunk.batches[0].data)
    assert header is not None
    assert header.attributes == record_batch.TRANSACTIONAL
    assert delivered([chunk])[0][4] == random.Random(1).randbytes(5000)


def test_null_and_empty_keys_values_and_headers_stay_what_they_are() -> None:
    events = [
        LocalEvent(b"", None, TIME_MS, (("a", None), ("b", b""))),
        LocalEvent(b"v", b"", TIME_MS, (("ünï", b"\xff"),)),
    ]
    found = delivered(lay_out([commit(0, events)], log="l1", partitions=1))
    assert [one[3:] for one in found] == [
        (None, b"", (("a", None), ("b", b""))),
        (b"", b"v", (("ünï", b"\xff"),)),
    ]


def test_laying_out_twice_gives_the_same_bytes() -> None:
    assert list(lay_out(commits(2000), log="l1", partitions=4)) == list(lay_out(commits(2000), log="l1", partitions=4))


def test_relay_gives_what_laying_out_for_that_number_of_partitions_gives() -> None:
    made = [
        *commits(2000),
        commit(2000, [LocalEvent(b"%d" % n, None) for n in range(9)], groups=[4]),
    ]
    (four,) = lay_out(made, log="l1", partitions=4)
    (seven,) = lay_out(made, log="l1", partitions=7)
    assert relay(four, partitions=7) == seven
    assert relay(seven, partitions=4) == four


def test_relay_puts_the_generation_into_every_event() -> None:
    (chunk,) = lay_out(commits(100), log="l1", partitions=2)
    again = relay(chunk, partitions=2, generation=3)
    assert {position.generation for _, position, *_ in delivered([again])} == {3}
    assert [(o[0], o[1]._replace(generation=0), *o[2:]) for o in delivered([again])] == delivered([chunk])


def test_relay_in_smaller_batches_leaves_out_what_it_is_told() -> None:
    (chunk,) = lay_out(commits(100), log="l1", partitions=2)
    smaller = relay(chunk, partitions=2, batch_bytes_max=2000, without={0, 57, 99})
    assert len(smaller.batches) > 10
    assert smaller.event_count == 97
    assert (smaller.first_offset, smaller.next_offset) == (chunk.first_offset, chunk.next_offset)
    assert delivered([smaller]) == [one for one in delivered([chunk]) if one[1].offset not in {0, 57, 99}]


def test_relay_without_any_event_has_no_batches() -> None:
    (chunk,) = lay_out(commits(3), log="l1", partitions=2)
    assert relay(chunk, partitions=2, without={0, 1, 2}).batches == ()
