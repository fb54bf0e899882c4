"""Names in the object store."""

from __future__ import annotations

import pytest

from spool.store.keys import SegmentKey, log_prefix, meta_key, parse_segment_key, segment_key


def test_a_segment_key_says_stream_log_and_number() -> None:
    key = segment_key("spool", "events", "k3x9", 42)
    assert key == "spool/events/k3x9/000000000042.seg"
    assert parse_segment_key("spool", key) == SegmentKey("events", "k3x9", 42)
    assert key.startswith(log_prefix("spool", "events", "k3x9"))


def test_keys_sort_as_their_numbers_do() -> None:
    numbers = [0, 9, 10, 99, 10**6, 10**12 - 1]
    keys = [segment_key("r", "s", "l", number) for number in numbers]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    "key",
    [
        "spool/events/k3x9/42.seg",
        "spool/events/k3x9/000000000042.tmp",
        "spool/events/k3x9/000000000042.seg.bak",
        "spool/events/k3x9/sub/000000000042.seg",
        "spool/events/000000000042.seg",
        "spool/_meta/floors/000000000042.seg",
        "spool/Events/k3x9/000000000042.seg",
        "other/events/k3x9/000000000042.seg",
        "",
    ],
)
def test_other_keys_are_no_segments(key: str) -> None:
    assert parse_segment_key("spool", key) is None


def test_meta_keys_lie_outside_of_every_stream() -> None:
    key = meta_key("spool", "floors", "events", "k3x9")
    assert key == "spool/_meta/floors/events/k3x9"
    assert parse_segment_key("spool", key) is None


@pytest.mark.parametrize("part", ["", ".", "..", "a/b"])
def test_parts_that_would_lead_elsewhere_are_refused(part: str) -> None:
    with pytest.raises(ValueError, match="part"):
        meta_key("spool", "floors", part)


def test_names_and_numbers_that_no_key_can_hold_are_refused() -> None:
    for stream, log, number in (("Events", "l", 0), ("e", "../l", 0), ("e", "l", -1), ("e", "l", 10**12)):
        with pytest.raises(ValueError, match=r"cannot be part|segment number"):
            segment_key("spool", stream, log, number)
