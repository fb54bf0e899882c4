"""Counting positions: what verify rests on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spool.audit.range_set import RangeSet, without
from spool.audit.seen import SeenLog

RANGES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair))), max_size=6
)


def test_what_came_once_in_order_is_neither_unseen_nor_doubled():
    seen = SeenLog()
    for offset in range(10_000):
        seen.add(0, offset % 3, offset)
    assert (list(seen.unseen(0, 10_000)), seen.doubled, seen.out_of_order) == ([], 0, 0)


def test_an_offset_twice_is_doubled_within_a_generation_only():
    seen = SeenLog()
    for generation, offset in [(0, 1), (0, 2), (1, 1), (1, 2), (1, 2)]:
        seen.add(generation, 0, offset)
    assert seen.doubled == 1


def test_an_earlier_offset_behind_a_later_one_of_its_partition_is_out_of_order():
    seen = SeenLog()
    for partition, offset in [(0, 5), (1, 3), (0, 4), (1, 6)]:
        seen.add(0, partition, offset)
    assert seen.out_of_order == 1


def test_an_offset_that_any_generation_has_is_seen():
    seen = SeenLog()
    for generation, offset in [(0, 0), (0, 1), (1, 3)]:
        seen.add(generation, 0, offset)
    assert list(seen.unseen(0, 6)) == [(2, 3), (4, 6)]


def test_a_log_of_which_nothing_was_seen_is_unseen_as_a_whole():
    assert list(SeenLog().unseen(5, 9)) == [(5, 9)]


@given(st.sets(st.integers(0, 200)), st.integers(0, 100), st.integers(0, 100))
def test_unseen_are_exactly_the_offsets_that_did_not_come(offsets, first, length):
    seen = SeenLog()
    for offset in sorted(offsets):
        seen.add(0, 0, offset)
    found = {offset for low, high in seen.unseen(first, first + length) for offset in range(low, high)}
    assert found == set(range(first, first + length)) - offsets


@given(RANGES, RANGES)
def test_without_takes_away_exactly_the_holes(ranges, holes):
    left = without(ranges, holes)
    gone = {offset for low, high in holes for offset in range(low, high)}
    assert sorted(offset for low, high in left for offset in range(low, high)) == sorted(
        offset for low, high in ranges for offset in range(low, high) if offset not in gone
    )


@given(RANGES)
def test_a_range_added_says_how_much_of_it_was_there_and_the_set_holds_each_offset_once(ranges):
    held, covered = RangeSet(), set()
    for low, high in ranges:
        assert held.add(low, high) == len(covered & set(range(low, high)))
        covered |= set(range(low, high))
    assert [offset for low, high in held for offset in range(low, high)] == sorted(covered)
    assert {offset for offset in range(61) if offset in held} == covered


def test_a_page_that_was_seen_whole_is_kept_as_nothing_and_still_notices_doubles():
    seen = SeenLog()
    start = 10**12
    for offset in range(start, start + 200_000):
        seen.add(0, 0, offset)
    assert sum(marks is not None for marks in seen._generations[0].values()) <= 2
    seen.add(0, 1, start + 70_000)
    assert (seen.doubled, list(seen.unseen(start - 1, start + 200_001))) == (
        1, [(start - 1, start), (start + 200_000, start + 200_001)],
    )  # fmt: skip
