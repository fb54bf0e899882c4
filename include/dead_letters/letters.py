"""One dead letter of a feature: what is put, and the row that is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func
from sqlalchemy.dialects.mysql import insert as mysql_insert

from include.database.tables import DEAD_LETTERS
from spool.clock import now_ms
from spool.errors import LetterRefused
from spool.event import NAME
from spool.format.json_notes import Document, read_note

# Room for the statement around it below the server's max_allowed_packet, 16 MB unless it is set.
PAYLOAD_BYTES_MAX = 8 * 1024 * 1024
REASON_CHARACTERS_MAX = 1000
_SUBJECT_CHARACTERS_MAX = 255


class Unprocessed(NamedTuple):
    """
    What a feature cannot process.

    feature  its name, which is also the name of its way back
    subject  what the feature calls the thing; putting the same subject again finds the letter that is there
    payload  its bytes, which an operator may edit before a requeue
    details  what else the way back needs, as JSON
    """

    feature: str
    subject: str
    payload: bytes
    details: Mapping[str, Any] = {}


class StoredLetter(NamedTuple):
    """A row of the table; `decision` is empty while the letter is open."""

    id: int
    feature: str
    subject: str
    state: str
    reason: str
    time_ms: int
    payload: bytes
    details: Mapping[str, Any]
    decision: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The id that operators see."""
        return f"{self.feature}/{self.id}"


def put_letter(connection: Connection, item: Unprocessed, reason: str) -> str:
    """
    Keep it in the caller's transaction, and return its id.

    A letter of this subject that is open or discarded stays as it is. One that was requeued is open again, with this
    reason and this payload: the thing failed once more. LetterRefused for what the table cannot hold.
    """
    if not NAME.match(item.feature) or len(item.feature) > 64:
        raise LetterRefused(f"{item.feature[:80]!a} is no name of a feature", hint="a-z, 0-9 and _, at most 64")
    if len(item.payload) > PAYLOAD_BYTES_MAX:
        raise LetterRefused(
            f"{item.subject[:80]!a} has {len(item.payload):,} bytes; a dead letter holds {PAYLOAD_BYTES_MAX:,}",
            hint="keep it as a file or an object, and put where it is",
        )
    row = {
        "feature": item.feature, "subject": _subject(item.subject), "state": "open",
        "reason": _text(reason)[:REASON_CHARACTERS_MAX], "time_ms": now_ms(), "payload": item.payload,
        "details": encode(item.details), "decision": None,
    }  # fmt: skip
    insert = mysql_insert(DEAD_LETTERS).values(row)
    is_requeued = DEAD_LETTERS.c.state == "requeued"
    # MariaDB assigns from left to right: the state, which the conditions read, comes last.
    changes = [
        (name, func.if_(is_requeued, insert.inserted[name], DEAD_LETTERS.c[name]))
        for name in ("reason", "time_ms", "payload", "details", "decision", "state")
    ]
    last_id = ("id", func.last_insert_id(DEAD_LETTERS.c.id))
    connection.execute(insert.on_duplicate_key_update([last_id, *changes]))
    number = connection.scalar(func.last_insert_id().select())
    return f"{item.feature}/{number}"


def stored_letter(row: Row[Any]) -> StoredLetter:
    """All columns of a row, decoded. CorruptRecord where somebody wrote something else."""
    details = _document(row, row.details)
    decision = _document(row, row.decision or b"{}")
    return StoredLetter(
        row.id, row.feature, row.subject, row.state, row.reason, row.time_ms, bytes(row.payload), details, decision
    )


def encode(document: Mapping[str, Any]) -> bytes:
    """JSON that is ASCII, whatever strings it holds."""
    return json.dumps(document).encode()


def _document(row: Row[Any], data: bytes) -> Document:
    return read_note(
        bytes(data), f"the dead letter {row.feature}/{row.id}", lambda document: document,
        hint="the row of the table dead_letters was changed by something else: restore it from a backup",
    )  # fmt: skip


def _subject(name: str) -> str:
    """
    At most 255 characters. A longer one ends with its digest, so that two of them stay two; so does one that ends with
    a space, which MariaDB would find equal to the one without.
    """
    clean = _text(name)
    if len(clean) <= _SUBJECT_CHARACTERS_MAX and not clean.endswith(" "):
        return clean
    digest = hashlib.sha256(clean.encode()).hexdigest()
    return f"{clean[: _SUBJECT_CHARACTERS_MAX - len(digest) - 1]}~{digest}"


def _text(text: str) -> str:
    """What the database can hold of a text: bytes of a file name that are no UTF-8 are written out."""
    return text.encode("utf-8", "backslashreplace").decode()
