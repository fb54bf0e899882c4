"""Local commits as spool/log writes them (rule 1), for tests of what comes after the log."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from spool.format import record_batch
from spool.format.position_header import encode_local

TIME_MS = 1_700_000_000_000


class LocalEvent(NamedTuple):
    value: bytes | None
    key: bytes | None = None
    time_ms: int = TIME_MS
    headers: tuple[tuple[str, bytes | None], ...] = ()


class LocalCommit(NamedTuple):
    first_offset: int
    number: int
    event_count: int
    max_timestamp_ms: int
    frame: bytes


def commit(
    first_offset: int, events: Sequence[LocalEvent], *, groups: Sequence[int] = (), number: int = 0
) -> LocalCommit:
    """`groups` are the sizes of groups that begin at the first event; what they do not take are single events."""
    begins: dict[int, int] = {}
    at = 0
    for size in groups:
        begins[at] = size
        at += size
    builder = record_batch.builder(size_max=16 * 1024 * 1024)
    for place, event in enumerate(events):
        headers = list(event.headers)
        if begins.get(place):
            headers.insert(0, ("spool", encode_local(begins[place])))
        builder.append(place, event.time_ms, event.key, event.value, headers)
    frame = builder.build()
    record_batch.set_fields(frame, base_offset=first_offset, producer=(first_offset, 7, number))
    return LocalCommit(first_offset, number, len(events), max(e.time_ms for e in events), bytes(frame))


def cloud_event(number: int, source: random.Random) -> LocalEvent:
    """About 200 bytes of payload with the five CloudEvents headers."""
    value = b'{"id":%d,"type":"measurement_report.imported","host":"collector-%d","note":"%s"}' % (
        number, number % 17, source.randbytes(60).hex().encode(),
    )  # fmt: skip
    headers = (
        ("ce_id", source.randbytes(16).hex().encode()),
        ("ce_source", b"spillway/host"),
        ("ce_specversion", b"1.0"),
        ("ce_time", b"2026-11-22T03:00:00.000Z"),
        ("ce_type", b"measurement_report.imported"),
    )
    return LocalEvent(value, b"k%d" % (number % 5000), TIME_MS + number, headers)


def commits(event_count: int, *, per_commit: int = 1000, seed: int = 1) -> list[LocalCommit]:
    source = random.Random(seed)
    made = []
    for number, first in enumerate(range(0, event_count, per_commit)):
        events = [cloud_event(first + n, source) for n in range(min(per_commit, event_count - first))]
        made.append(commit(first, events, number=number))
    return made
