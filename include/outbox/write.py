"""Events beside the change that causes them, in the caller's transaction: both are committed, or neither."""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.dialects.mysql import insert as mysql_insert

from include.common.event_type import FeatureEvent
from include.common.event_type import encode as encode_event
from include.database.tables import OUTBOX, OUTBOX_LANES
from spool.clock import now_ms
from spool.errors import EventRefused
from spool.event import Event, Headers
from spool.format.event_record import encode
from spool.settings import Settings, StreamSettings

# Two transactions whose keys share a lane wait for each other; more lanes, fewer such waits.
LANES = 1024
KEY_BYTES_MAX = 1024
NAME_CHARACTERS_MAX = 255
ID_CHARACTERS_MAX = 128


def put(connection: Connection, stream: StreamSettings, events: Iterable[Event], *, source: str) -> int:
    """
    Insert the events into the outbox; nothing is emitted unless the caller commits. Returns how many.

    Per key the drain keeps the order in which the transactions commit: each locks the lane of its keys until it ends.
    EventRefused, before anything is written, for an event that the stream would refuse.
    """
    rows = [_row(stream, event, source) for event in events]
    insert_rows(connection, stream.name, rows)
    return len(rows)


def emit(connection: Connection, known: Settings, events: Iterable[FeatureEvent], *, source: str) -> int:
    """As `put`, of typed events, each for the stream of its type. SettingsError where that is not in the settings."""
    by_stream: dict[str, list[Event]] = {}
    for event in events:
        by_stream.setdefault(event.stream, []).append(encode_event(event, source))
    # Sorted, so that transactions take the lanes of several streams in one order.
    return sum(put(connection, known.stream(name), by_stream[name], source=source) for name in sorted(by_stream))


def insert_rows(connection: Connection, stream: str, rows: Sequence[dict[str, Any]]) -> None:
    """Rows of the table, under the lanes of their keys."""
    lanes = sorted({lane(row["event_key"]) for row in rows if row["event_key"] is not None})
    if lanes:
        lock = mysql_insert(OUTBOX_LANES).values([{"stream": stream, "lane": number} for number in lanes])
        # Sorted, so that two transactions never wait for each other's lanes crosswise within one call.
        connection.execute(lock.on_duplicate_key_update(lane=lock.inserted.lane))
    if rows:
        connection.execute(insert(OUTBOX), rows)


def lane(key: bytes) -> int:
    return zlib.crc32(key) % LANES


def _row(stream: StreamSettings, event: Event, source: str) -> dict[str, Any]:
    # What the log would refuse later is refused here, where the caller still has a transaction to take back.
    encode([event], stream.event_bytes_max)
    _refuse_long(stream.name, event, source)
    return {
        "stream": stream.name,
        "event_id": event.id or secrets.token_hex(16),
        "event_type": event.type,
        "source": event.source or source,
        "time_ms": event.time_ms or now_ms(),
        "event_key": event.key,
        "headers": encode_headers(event.headers),
        "payload": event.value,
    }


def _refuse_long(stream: str, event: Event, source: str) -> None:
    names = max(len(event.type), len(event.source or source))
    if len(event.key or b"") > KEY_BYTES_MAX or names > NAME_CHARACTERS_MAX or len(event.id) > ID_CHARACTERS_MAX:
        raise EventRefused(
            f"the key, id, type or source of an event for {stream} is too long for the outbox",
            hint=f"keys have at most {KEY_BYTES_MAX} bytes, ids {ID_CHARACTERS_MAX} characters, type and source "
            f"{NAME_CHARACTERS_MAX}",
        )


def encode_headers(headers: Headers) -> bytes | None:
    """JSON, values in base64; None where there are none, as nearly always."""
    if not headers:
        return None
    return json.dumps(
        [[name, None if value is None else base64.b64encode(value).decode()] for name, value in headers]
    ).encode()


def decode_headers(data: bytes | None) -> Headers:
    if not data:
        return ()
    return tuple((name, None if value is None else base64.b64decode(value)) for name, value in json.loads(data))
