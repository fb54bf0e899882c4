"""
Events into the key, value and headers of records. Done once, outside the lock.

CloudEvents attributes travel as the `ce_*` headers of its Kafka binding. An append of 400,000 events a second leaves
2.5 microseconds for an event, so what repeats (type, source, the text of a millisecond) is made once and kept.
"""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from spool.errors import EventRefused
from spool.event import INCOMING_SPOOL_HEADER, SPOOL_HEADER, Event
from spool.times import rfc3339

Header = tuple[str, bytes | None]

DEFAULT_TYPE = "event"
_SPEC_VERSION: Header = ("ce_specversion", b"1.0")
# An upper bound of what a record adds to its parts: lengths, deltas, attributes (aiokafka: 21), the local header.
RECORD_OVERHEAD_BYTES = 48
# Names and values of the five ce_* headers, a host name of 64 bytes in one.
_CE_BYTES_MAX = 220


class Encoded(NamedTuple):
    """One record. `size_bytes` is an upper bound of what it takes in a batch."""

    time_ms: int
    key: bytes | None
    value: bytes
    headers: list[Header]
    size_bytes: int


def encode(events: Sequence[Event], event_bytes_max: int) -> list[Encoded]:
    """One record an event, in order. EventRefused names the first that can never be appended."""
    now_ms = time.time_ns() // 1_000_000
    ids = _ids
    made = []
    for event in events:
        value, key, event_id, event_type, source, time_ms, extra = event
        time_ms = time_ms or now_ms
        headers = [
            ("ce_id", event_id.encode() if event_id else ids.next()),
            _source(source),
            _SPEC_VERSION,
            _time(time_ms),
            _type(event_type),
        ]
        size = (
            len(value)
            + (len(key) if key is not None else 0)
            + _CE_BYTES_MAX
            + 4 * (len(event_id) + len(event_type) + len(source))
        )
        if extra:
            renamed = [(INCOMING_SPOOL_HEADER if name == SPOOL_HEADER else name, data) for name, data in extra]
            headers += renamed
            size += sum(len(name) * 4 + len(data or b"") + 10 for name, data in renamed)
        if size > event_bytes_max:
            raise EventRefused(
                f"an event of {size} bytes (id {event_id or 'not given'}); at most {event_bytes_max} fit",
                hint="put the payload into the object store and send its key",
            )
        made.append(Encoded(time_ms, key, value, headers, size + RECORD_OVERHEAD_BYTES))
    return made


class _Ids:
    """Unique ids: random once a process, then counted. A child after fork gets a random part of its own."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._prefix = secrets.token_hex(10)
        self._numbers = itertools.count()

    def next(self) -> bytes:
        return f"{self._prefix}{next(self._numbers):012x}".encode()


_ids = _Ids()
os.register_at_fork(after_in_child=_ids.reset)


@lru_cache(maxsize=4096)
def _type(event_type: str) -> Header:
    return ("ce_type", (event_type or DEFAULT_TYPE).encode())


@lru_cache(maxsize=4096)
def _source(source: str) -> Header:
    return ("ce_source", (source or f"spillway/{socket.gethostname()}").encode())


@lru_cache(maxsize=4096)
def _time(time_ms: int) -> Header:
    return ("ce_time", rfc3339(time_ms).encode())
