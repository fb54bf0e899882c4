"""Finding what Kafka refuses: exactly the refused units are taken out, whatever else is beside them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from spool.errors import OperatorNeeded
from spool.format.partition_batches import Lane, take_all
from spool.format.position_header import ArchivedPosition, encode_archived
from spool.format.relayout import archived_records
from spool.format.segment_index import Chunk
from spool.replay.refusals import REFUSED_MAX, sift

REASON = "10 MESSAGE_TOO_LARGE"


def chunk(events: int, *, partitions: int = 3, groups: dict[int, int] | None = None) -> Chunk:
    """Event n is in partition n % partitions; `groups` gives first offset and size."""
    first_of = {n: (first, size) for first, size in (groups or {}).items() for n in range(first, first + size)}
    lanes = [Lane(partition, 2_000) for partition in range(partitions)]
    for n in range(events):
        first, size = first_of.get(n, (n, 1))
        header = encode_archived(ArchivedPosition("log", n, 0, first, size))
        lanes[n % partitions].append(n, 1_700_000_000_000, b"k%d" % n, b"v" * 20, [("spool", header)])
    return Chunk(0, events, 0, 0, take_all(lanes), events)


def refused_by_kafka(made: Chunk, bad: set[int]) -> dict[int, str]:
    """As the broker answers: of each partition the first batch that holds a bad record."""
    found: dict[int, str] = {}
    partitions: set[int] = set()
    for number, stored in enumerate(made.batches):
        records = archived_records(made._replace(batches=(stored,)))
        if stored.partition not in partitions and any(one.position.offset in bad for one in records):
            partitions.add(stored.partition)
            found[number] = REASON
    return found


def sifted(made: Chunk, bad: set[int]) -> tuple[Chunk, list[int], int]:
    """What is sent at last, what was taken out, after how many tries."""
    out: list[int] = []
    for tries in range(2_000):
        refusals = refused_by_kafka(made, bad)
        if not refusals:
            return made, out, tries
        made, refused = sift(made, refusals)
        out += [record.position.offset for record, _ in refused]
    raise AssertionError("never ends")


def offsets(made: Chunk) -> list[int]:
    return [one.position.offset for one in archived_records(made)]


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.integers(1, 120), st.integers(1, 4), st.data())
def test_exactly_the_refused_events_are_taken_out(events, partitions, data):
    bad = data.draw(st.sets(st.integers(0, events - 1), max_size=8))
    left, out, _ = sifted(chunk(events, partitions=partitions), bad)
    assert sorted(out) == sorted(bad)
    assert offsets(left) == [n for n in range(events) if n not in bad]
    assert left.event_count == events - len(bad)


def test_a_group_goes_as_a_whole_from_every_partition():
    left, out, _ = sifted(chunk(60, groups={10: 7, 30: 5}), {12})
    assert sorted(out) == list(range(10, 17))
    assert offsets(left) == [n for n in range(60) if not 10 <= n < 17]


def test_order_within_a_partition_stays():
    left, _, _ = sifted(chunk(300), set(random.Random(1).sample(range(300), 20)))
    for partition in range(3):
        found = [
            one.position.offset
            for stored in left.batches
            if stored.partition == partition
            for one in archived_records(left._replace(batches=(stored,)))
        ]
        assert found == sorted(found)


def test_halving_finds_one_event_of_many_in_few_tries():
    _, out, tries = sifted(chunk(4_000, partitions=1), {1_234})
    assert out == [1_234]
    assert tries <= 14


def test_more_refusals_than_a_person_would_expect_ask_for_one():
    size = REFUSED_MAX + 1
    with pytest.raises(OperatorNeeded, match="101 records"):
        sifted(chunk(200, groups={0: size}), {5})
