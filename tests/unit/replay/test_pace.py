"""How large transactions are: small after a time-out, larger while they are quick, and never without end."""

from __future__ import annotations

from spool.event import COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX
from spool.replay.pace import BATCHES_MAX, Limits, Pace

FULL = Limits(COMMIT_EVENTS_MAX, COMMIT_BYTES_MAX, BATCHES_MAX)


def test_quick_transactions_grow_to_the_limits_and_no_further():
    pace = Pace()
    assert pace.limits() < FULL
    for _ in range(10):
        pace.committed(0.1, 20.0)
    assert pace.limits() == FULL


def test_after_a_time_out_the_next_transaction_is_smaller():
    pace = Pace()
    before = pace.limits()
    assert pace.timed_out(chunks=10)
    assert all(less < more for less, more in zip(pace.limits(), before, strict=True))
    assert pace.patience == 1


def test_a_single_chunk_that_takes_too_long_is_given_more_time():
    pace = Pace()
    assert pace.timed_out(chunks=1)
    assert pace.patience == 2


def test_slow_transactions_shrink_before_they_time_out():
    pace = Pace()
    before = pace.limits()
    pace.committed(15.0, 20.0)
    assert pace.limits() < before


def test_tries_end_where_neither_size_nor_time_can_change():
    pace = Pace()
    tries = 0
    while pace.timed_out(chunks=1 if tries % 2 else 5):
        tries += 1
        assert tries < 50
    assert pace.limits().batches >= 1
