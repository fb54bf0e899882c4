"""
Events into the key, value and headers of records. Done once, outside the lock.

CloudEvents attributes travel as the `ce_*` headers of its Kafka binding. An append of 400,000 events a second leaves
2.5 microseconds for an event, so what repeats (type, source, the text of a millisecond) is made once and kept.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from functools import lru_cache

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from spool.clock import rfc3339
from spool.errors import EventRefused
from spool.event import INCOMING_SPOOL_HEADER, SPOOL_HEADER, Event

Header = tuple[str, bytes | None]

DEFAULT_TYPE = "event"
_SPEC_VERSION: Header = ("ce_specversion", b"1.0")
LOCAL_HEADER_BYTES = 16
# What is longer, or has headers of its own, is measured.
_SURELY_SMALL = 4096
# Types and sources are kept in memory, because they repeat.
NAME_CHARACTERS_MAX = 4096


Record = tuple[int, bytes | None, bytes, list[Header]]
"""(time in ms, key, value, headers): what the builder takes after the offset. A plain tuple, for its price."""


def encode(events: Sequence[Event], event_bytes_max: int) -> list[Record]:
    """One record per event, in order. EventRefused names the first that can never be appended."""
    try:
        return _records(events, event_bytes_max)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        # Before anything is queued: a record that the builder refuses would be found in the middle of a commit.
        raise EventRefused(
            f"an event is not of the types that Event names: {error}", hint="value and key are bytes, texts are str"
        ) from error


def _records(events: Sequence[Event], event_bytes_max: int) -> list[Record]:
    now_ms = time.time_ns() // 1_000_000
    id_prefix, first = _ids.take(len(events))
    records: list[Record] = []
    repeats: tuple[str, str, int] | None = None
    for number, event in enumerate(events, first):
        value, key, event_id, event_type, source, time_ms, extra = event
        if repeats != (event_type, source, time_ms):
            repeats = (event_type, source, time_ms)
            at_ms = _checked_time(time_ms) or now_ms
            source_header, type_header, time_header = _source(source), _type(event_type), _time(at_ms)
        ce_id = event_id.encode() if event_id else b"%b%012x" % (id_prefix, number)
        headers: list[Header] = [("ce_id", ce_id), source_header, _SPEC_VERSION, time_header, type_header]
        if extra:
            headers += map(_extra, extra)
        if type(value) is not bytes or (key is not None and type(key) is not bytes):
            raise TypeError(f"value is {type(value).__name__}, key is {type(key).__name__}")
        record = (at_ms, key, value, headers)
        if extra or len(value) + len(key or b"") + len(ce_id) > _SURELY_SMALL:
            _refuse_large(record, event_bytes_max)
        records.append(record)
    return records


def _checked_time(time_ms: int) -> int:
    if type(time_ms) is not int:
        raise TypeError(f"time_ms is {type(time_ms).__name__}")
    return time_ms


def size_bound(record: Record) -> int:
    """An upper bound of the bytes that a record takes in a batch, with the local header."""
    _, key, value, headers = record
    bound: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, headers)
    return bound + LOCAL_HEADER_BYTES


def _extra(header: Header) -> Header:
    name, data = header
    if type(name) is not str or (data is not None and type(data) is not bytes):
        raise TypeError(f"header {name!r} is {type(data).__name__}")
    name.encode()  # a lone surrogate has no bytes
    return (INCOMING_SPOOL_HEADER, data) if name == SPOOL_HEADER else header


def _refuse_large(record: Record, event_bytes_max: int) -> None:
    _, key, value, headers = record
    size = DefaultRecordBatchBuilder.size_of(key, value, headers)
    if size > event_bytes_max:
        event_id = (headers[0][1] or b"")[:200].decode(errors="replace")
        raise EventRefused(
            f"event {event_id} takes {size} bytes; at most {event_bytes_max} fit",
            hint="put the payload into the object store and send its key",
        )


def _refuse_long(name: str) -> None:
    if len(name) > NAME_CHARACTERS_MAX:
        raise ValueError(f"type and source have at most {NAME_CHARACTERS_MAX} characters")


class _Ids:
    """Unique ids: random once a process, then counted. A child after fork gets a random part of its own."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self._mutex = threading.Lock()
        self._prefix = secrets.token_hex(10).encode()
        self._next = 0

    def take(self, count: int) -> tuple[bytes, int]:
        """The random part, and the first of `count` numbers that nobody else gets."""
        with self._mutex:
            first = self._next
            self._next += count
            return self._prefix, first


_ids = _Ids()
os.register_at_fork(after_in_child=_ids.reset)


@lru_cache(maxsize=4096)
def _type(event_type: str) -> Header:
    _refuse_long(event_type)
    return ("ce_type", (event_type or DEFAULT_TYPE).encode())


@lru_cache(maxsize=4096)
def _source(source: str) -> Header:
    _refuse_long(source)
    return ("ce_source", (source or f"spillway/{socket.gethostname()}").encode())


@lru_cache(maxsize=4096)
def _time(time_ms: int) -> Header:
    return ("ce_time", rfc3339(time_ms).encode())
