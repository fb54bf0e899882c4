from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from include.common.event_type import FeatureEvent, encode
from include.common.spool_events import spool_events
from spool.event import Event


@dataclass(frozen=True)
class InvoicePaid(FeatureEvent, type="invoice.paid", version=2, stream="invoices"):
    number: Annotated[str, "its number"]
    payer: Annotated[str | None, "who paid"]
    cents: Annotated[int | None, "how much"] = None

    def event_key(self) -> str:
        return self.number


def test_an_event_goes_to_the_stream_of_its_type_under_its_key() -> None:
    emitted: list[tuple[str, Event]] = []

    def append(stream: str, events: Sequence[Event]) -> None:
        emitted.extend((stream, event) for event in events)

    spool_events(append, "spillway/test")(InvoicePaid("a/1", payer="b", cents=5))
    [(stream, event)] = emitted
    assert (stream, event.key, event.type, event.source) == ("invoices", b"a/1", "invoice.paid", "spillway/test")
    assert json.loads(event.value) == {"version": 2, "number": "a/1", "payer": "b", "cents": 5}


def test_only_an_optional_field_without_a_value_is_left_out() -> None:
    assert json.loads(encode(InvoicePaid("a/1", payer=None), "test").value) == {
        "version": 2,
        "number": "a/1",
        "payer": None,
    }


def test_a_change_that_is_emitted_twice_has_one_id_and_another_change_another() -> None:
    @dataclass(frozen=True)
    class InvoiceSent(InvoicePaid, type="invoice.sent"):
        pass

    changes = [InvoicePaid("a", "b", 2), InvoicePaid("a", "b", 2), InvoicePaid("a", "b", 3), InvoiceSent("a", "b", 2)]
    ids = [encode(change, "test").id for change in changes]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_an_id_that_is_given_stays() -> None:
    event = encode(InvoicePaid("a", "b"), "test", id="one", time_ms=7)
    assert (event.id, event.time_ms) == ("one", 7)
