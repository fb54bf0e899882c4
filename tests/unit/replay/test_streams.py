"""Several streams at once: each has its own outcome, and one order of errors serves every caller."""

from __future__ import annotations

import threading
from itertools import permutations

import pytest

from spool.errors import KafkaUnavailable, NotOwner, OperatorNeeded, SettingsError
from spool.replay.streams import drain_streams, most_urgent

# From the most urgent to the least.
ORDER = [KeyError("ours"), SettingsError("a setting"), OperatorNeeded("a gap"), KafkaUnavailable("down"), NotOwner("b")]


class Stream:
    def __init__(self, answer: object = None, error: BaseException | None = None) -> None:
        self.answer, self.error = answer, error

    def drain(self, **_: object) -> object:
        if self.error:
            raise self.error
        return self.answer


@pytest.mark.parametrize("failing", ["abc"[:n] for n in range(4)])
def test_each_stream_is_a_summary_or_an_error_and_none_is_lost(failing):
    streams = {name: Stream(name, ORDER[2] if name in failing else None) for name in "abc"}
    drained = drain_streams(streams)
    assert set(drained.errors) == set(failing)
    assert drained.summaries == {name: name for name in "abc" if name not in failing}


def test_no_stream_at_all_is_nothing_to_do():
    assert drain_streams({}) == ({}, {})


def test_the_most_urgent_error_is_the_same_in_whatever_order_streams_fail():
    for size in range(1, len(ORDER) + 1):
        for errors in permutations(ORDER[-size:]):
            assert most_urgent(errors) is ORDER[-size]


def test_a_stop_reaches_every_stream():
    stop = threading.Event()

    class UntilStopped(Stream):
        def drain(self, *, stop: threading.Event, **_: object) -> object:
            return stop.wait(timeout=240)

    timer = threading.Timer(0.05, stop.set)
    timer.start()
    assert set(drain_streams({"a": UntilStopped(), "b": UntilStopped()}, stop=stop).summaries.values()) == {True}
    timer.join()
