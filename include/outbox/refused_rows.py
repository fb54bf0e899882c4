"""
Rows of the outbox that the spool refuses: their dead letters, and their way back.

A row leaves the outbox in the transaction in which its letter is put, so it is in one of the two places. A requeue puts
it at the end of the outbox: changes of its key that were emitted meanwhile are ahead of it.
"""

from __future__ import annotations

import base64
from typing import Any

from sqlalchemy import Connection, Row

from include.dead_letters.letters import StoredLetter, Unprocessed
from include.outbox.write import insert_rows

FEATURE = "outbox"


def refused_row(stream: str, row: Row[Any]) -> Unprocessed:
    """The letter of a row of the outbox with the columns of an event."""
    details = {
        "stream": stream, "event_id": row.event_id, "event_type": row.event_type, "source": row.source,
        "time_ms": row.time_ms, "event_key": _base64(row.event_key), "headers": _base64(row.headers),
    }  # fmt: skip
    # The id alone would repeat after a restore of the database; the event's id alone may repeat anyway.
    return Unprocessed(FEATURE, f"{stream}/{row.id}/{row.event_id}", bytes(row.payload), details)


def back_into_the_outbox(connection: Connection, letter: StoredLetter, payload: bytes) -> str:
    """The way back: a new row, which the next drain appends."""
    values = {
        **letter.details, "event_key": _bytes(letter.details["event_key"]),
        "headers": _bytes(letter.details["headers"]), "payload": payload,
    }  # fmt: skip
    insert_rows(connection, letter.details["stream"], [values])
    return f"the outbox of {letter.details['stream']}"


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(bytes(data)).decode()


def _bytes(encoded: str | None) -> bytes | None:
    return None if encoded is None else base64.b64decode(encoded)
