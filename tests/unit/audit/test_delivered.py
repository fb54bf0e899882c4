"""Adding deliveries up: what verify knows without reading a single event."""

from __future__ import annotations

import sys

import pytest

from spool.audit.delivered import DeliveredLog, TakenPlaces, TopicNow
from spool.audit.range_set import RangeSet
from spool.kafka.watermarks import Watermarks
from spool.replay.deliveries import DeliveredBatch, Delivery

NOW = TopicNow("id", {0: Watermarks(0, 1 << 40), 1: Watermarks(0, 1 << 40)})


def delivery(first: int, *counts: int, kafka: int = 0, **fields: object) -> Delivery:
    """One batch per partition, of so many events; the events of one partition before those of the next."""
    batches, offset = [], first
    for partition, count in enumerate(counts):
        batches.append(DeliveredBatch(partition, kafka, count, offset, offset + count - 1))
        offset += count
    return Delivery("t", "s", "log", 0, first, offset, tuple(batches), (), (), "id")._replace(**fields)  # type: ignore[arg-type]


def test_a_hundred_thousand_deliveries_in_a_row_take_no_more_memory_than_a_few():
    log, places = (
        DeliveredLog(0, NOW._replace(ends={0: Watermarks(1 << 30, 1 << 40), 1: Watermarks(0, 1 << 40)})),
        TakenPlaces("id"),
    )
    for number in range(100_000):
        one = delivery(number * 4, 3, 1, kafka=number * 5)
        log.add(one)
        assert places.loser_of(one, "s/log") == ""
    held = [*log.settled.values(), *log.removed.values(), log.skipped, log.holes]
    assert sum(map(len, held)) == 2
    assert max(map(len, places._taken.values())) < 40_000
    assert (log.doubled, log.short, log.lost) == (0, 0, 0)
    assert list(log.settled[0]) == [(0, 400_000)]
    assert sys.getsizeof(log) < 1000


def test_offsets_settled_twice_within_a_generation_are_doubled():
    log = DeliveredLog(1, NOW)
    for one in (delivery(0, 5), delivery(3, 5), delivery(0, 8, generation=1)):
        log.add(one)
    assert log.doubled == 2


def test_a_delivery_whose_batches_hold_fewer_events_than_its_range_is_short():
    log = DeliveredLog(0, NOW)
    log.add(delivery(0, 5, next_offset=9, skipped=(5,), holes=((6, 8),)))
    assert log.short == 1


@pytest.mark.parametrize(
    ("one", "lost"),
    [
        (delivery(0, 5, 2), 0),
        (delivery(0, 5, 2, kafka=(1 << 40) - 4), 5),
        (delivery(0, 5, 2, 1), 1),
        (delivery(0, 5, 2, topic_id="another"), 7),
        (delivery(0, 5, 2, topic_id=""), 0),
        (delivery(0, 5, 2, topic_id="another", generation=3), 0),
    ],
    ids=["all there", "beyond the end", "no such partition", "another topic", "of before ids", "another generation"],
)
def test_events_are_lost_where_the_topic_cannot_have_them(one, lost):
    log = DeliveredLog(0, NOW)
    log.add(one)
    assert log.lost == lost


def test_what_retention_removed_is_noted_by_partition():
    log = DeliveredLog(0, NOW._replace(ends={0: Watermarks(10, 99), 1: Watermarks(0, 99)}))
    log.add(delivery(0, 2, 3, kafka=0))
    log.add(delivery(5, 2, 3, kafka=9))
    log.add(delivery(10, 2, 3, kafka=10))
    assert {partition: list(gone) for partition, gone in log.removed.items()} == {0: [(0, 10)]}


def test_places_that_were_given_to_two_logs_name_the_one_that_lost_them():
    places = TakenPlaces("id")
    assert places.loser_of(delivery(0, 5, kafka=10), "s/a") == ""
    assert places.loser_of(delivery(0, 5, kafka=15), "s/b") == ""
    assert places.loser_of(delivery(5, 5, kafka=14), "s/c") == "s/a"


@pytest.mark.parametrize("topic_id", ["another", ""])
def test_places_in_another_topic_of_that_name_are_nobody_s(topic_id):
    places = TakenPlaces("id")
    for _ in range(2):
        assert places.loser_of(delivery(0, 5, kafka=10, topic_id=topic_id), "s/a") == ""


def test_transactions_that_note_their_deliveries_in_another_order_lose_nothing():
    places = TakenPlaces("id")
    for first in (10, 11, 0, 5, 3, 12):
        assert places.loser_of(delivery(0, 1, kafka=first), "s/a") == ""


def test_the_first_ranges_joined_cover_what_lay_between_them():
    held = RangeSet([(0, 2), (5, 6), (8, 9)])
    held.join_first(2)
    assert list(held) == [(0, 6), (8, 9)]


def test_an_offset_that_a_later_delivery_did_not_skip_is_expected_again() -> None:
    log = DeliveredLog(1, NOW)
    log.add(delivery(0, 10, skipped=(3, 4)))
    log.add(delivery(10, 10, skipped=(12,)))
    assert list(log.skipped) == [(3, 5), (12, 13)]
    log.add(delivery(0, 10, skipped=(4,), generation=1))
    assert list(log.skipped) == [(4, 5), (12, 13)]
