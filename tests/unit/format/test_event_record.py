"""Events become records before they reach a commit that others share."""

from __future__ import annotations

import os
from typing import Any

import pytest

from spool.errors import EventRefused
from spool.event import EVENT_BYTES_MAX, Event
from spool.format.event_record import encode


def headers_of(event: Event) -> dict[str, bytes | None]:
    return dict(encode([event], EVENT_BYTES_MAX)[0][3])


def test_cloud_event_attributes_travel_as_headers() -> None:
    event = Event(b"v", id="1", type="measurement_report.imported", source="host/a", time_ms=1_700_000_000_123)
    assert headers_of(event) == {
        "ce_id": b"1",
        "ce_source": b"host/a",
        "ce_specversion": b"1.0",
        "ce_time": b"2023-11-14T22:13:20.123Z",
        "ce_type": b"measurement_report.imported",
    }


def test_what_is_not_given_gets_a_value_that_is_never_empty() -> None:
    found = headers_of(Event(b"v"))
    assert found["ce_type"] == b"event"
    assert (found["ce_source"] or b"").startswith(b"spillway/")
    assert len(found["ce_id"] or b"") == 32


def test_an_incoming_spool_header_is_renamed() -> None:
    found = headers_of(Event(b"v", headers=(("spool", b"x"), ("other", None))))
    assert found["spool_from"] == b"x"
    assert "spool" not in found
    assert found["other"] is None


def test_ids_are_unique_in_a_process_and_its_forked_child() -> None:
    events = [Event(b"v")] * 1000
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, b"".join(record[3][0][1] or b"" for record in encode(events, EVENT_BYTES_MAX)))
        os._exit(0)
    mine = [record[3][0][1] for record in encode(events, EVENT_BYTES_MAX)]
    os.waitpid(child, 0)
    text = os.read(read_end, 64_000)
    theirs = [text[at : at + 32] for at in range(0, len(text), 32)]
    os.close(read_end)
    os.close(write_end)
    assert len({*mine, *theirs}) == 2000


@pytest.mark.parametrize(
    "event",
    [
        Event(b"x" * 900_001),
        Event(b"v", key=b"x" * 900_001),
        Event(b"v", id="x" * 900_001),
        Event(b"v", headers=(("big", b"x" * 900_001),)),
        Event(b"v", type="t" * 5000),
        Event(b"v", source="s" * 5000),
    ],
    ids=["value", "key", "id", "header", "type", "source"],
)
def test_a_too_large_event_is_refused_wherever_its_bytes_are(event: Event) -> None:
    with pytest.raises(EventRefused):
        encode([Event(b"fine"), event], EVENT_BYTES_MAX)


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": "text"},
        {"value": None},
        {"value": b"v", "key": "k"},
        {"value": b"v", "id": 5},
        {"value": b"v", "id": "\ud800"},
        {"value": b"v", "time_ms": 1.5},
        {"value": b"v", "time_ms": 10**30},
        {"value": b"v", "headers": (("a", "b"),)},
        {"value": b"v", "headers": ("ab",)},
        {"value": b"v", "headers": (("\ud800", b""),)},
    ],
    ids=str,
)
def test_an_event_of_wrong_types_is_refused_before_it_is_queued(wrong: dict[str, Any]) -> None:
    with pytest.raises(EventRefused):
        encode([Event(b"fine", time_ms=1), Event(**wrong)], EVENT_BYTES_MAX)
