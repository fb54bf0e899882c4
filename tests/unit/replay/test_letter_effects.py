"""Which skipped offsets count: those of the newest delivery that covers them."""

from __future__ import annotations

from spool.replay.deliveries import Delivery
from spool.replay.letter_effects import skipped_last


def delivery(first: int, after: int, *skipped: int, generation: int = 0) -> Delivery:
    return Delivery("t", "s", "log", generation, first, after, (), skipped, ())


def test_an_offset_that_a_delivery_skips_is_in_effect() -> None:
    assert skipped_last([(b"a", delivery(0, 10, 3, 4)), (b"a", delivery(10, 20, 12)), (b"b", delivery(0, 10))]) == {
        b"a": {3, 4, 12}
    }


def test_a_later_delivery_of_a_rewind_decides_again() -> None:
    before = (b"a", delivery(0, 10, 3, 4))
    assert skipped_last([before, (b"a", delivery(0, 10, 4, generation=1))]) == {b"a": {4}}
    assert skipped_last([before, (b"a", delivery(4, 10, generation=1))]) == {b"a": {3}}
    assert skipped_last([before, (b"b", delivery(0, 10, generation=1))]) == {b"a": {3, 4}}
