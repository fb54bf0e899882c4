from __future__ import annotations

import json
from collections.abc import Sequence

from include.common.spool_events import spool_events
from spool.event import Event


def test_a_change_told_twice_has_one_id_and_another_change_another() -> None:
    told: list[tuple[str, Event]] = []

    def append(stream: str, events: Sequence[Event]) -> None:
        told.extend((stream, event) for event in events)

    emit = spool_events(append, "measurements", "spillway/test")
    emit("measurement_report.imported", "north/b1/r", {"inserted": 2})
    emit("measurement_report.imported", "north/b1/r", {"inserted": 2})
    emit("measurement_report.imported", "north/b1/r", {"inserted": 3})
    emit("measurement_report.published", "north/b1/r", {"inserted": 2})
    ids = [event.id for _, event in told]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    stream, event = told[0]
    assert (stream, event.key, event.type, event.source) == (
        "measurements",
        b"north/b1/r",
        "measurement_report.imported",
        "spillway/test",
    )
    assert json.loads(event.value) == {"key": "north/b1/r", "inserted": 2}
