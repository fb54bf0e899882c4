"""
What Kafka will never take: kept in the object store with its reason, its bytes and its position.

A letter is put before the transaction that skips its event, and takes effect only by it: the committed checkpoint names
the skipped positions, and a letter that none names is void (its event was sent after all).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from spool import failpoints
from spool.errors import LetterRefused, ObjectExists, ObjectMissing
from spool.event import NAME, Event, Position
from spool.format.json_notes import Document, number, read_note, text
from spool.format.relayout import ArchivedRecord
from spool.store.keys import meta_key
from spool.store.object_store import ObjectStore

failpoints.declare("replay.dead_letter.put")

KIND = "dead_letters"
_HINT = "the event is still in the archive, at the offset that the key names: restore the letter from a backup"
# What the engine wrote in front of the event's own headers; an Event has a field for each.
_ATTRIBUTES = ("ce_id", "ce_source", "ce_specversion", "ce_time", "ce_type")


class DeadLetter(NamedTuple):
    """
    One event that is not in Kafka.

    reason   what Kafka said, `code NAME`
    group    (first offset, size) when a whole group was taken out; None otherwise
    time_ms  when it was put, milliseconds since 1970 UTC
    size_bytes  of the payload
    document what the object holds
    """

    position: Position
    reason: str
    group: tuple[int, int] | None
    time_ms: int
    size_bytes: int
    document: dict[str, Any]

    @property
    def unit(self) -> range:
        """The log offsets that are requeued together."""
        first, size = self.group or (self.position.offset, 1)
        return range(first, first + size)


def put_letter(store: ObjectStore, root: str, stream: str, topic: str, refused: ArchivedRecord, reason: str) -> None:
    """Durable when it returns; one that is there already stays as it is: the first reason counts."""
    position, record = refused
    document = {
        "stream": stream,
        "log": position.log,
        "offset": position.offset,
        "topic": topic,
        "reason": reason,
        "group": [position.group_first, position.group_size] if position.group_size > 1 else None,
        "time_ms": time.time_ns() // 1_000_000,
        "event_time_ms": record.timestamp,
        "key": _base64(record.key),
        "headers": [[name, _base64(value)] for name, value in record.headers[:-1]],
        "value": _base64(record.value),
    }
    key = letter_key(root, Position(stream, position.log, position.offset))
    try:
        store.put_if_absent(key, json.dumps(document).encode(), {})
    except ObjectExists:
        return
    failpoints.reach("replay.dead_letter.put")


def letters(store: ObjectStore, root: str, stream: str, log: str) -> Iterator[DeadLetter]:
    """The letters of a log in the order of their offsets; void ones too. CorruptRecord names the object."""
    for listed in store.list(f"{meta_key(root, KIND, stream, log)}/"):
        yield decode_letter(store.get(listed.key).body, listed.key)


def read_letter(store: ObjectStore, root: str, position: Position) -> DeadLetter:
    """LetterRefused if there is none; CorruptRecord."""
    key = letter_key(root, position)
    try:
        body = store.get(key).body
    except ObjectMissing:
        raise LetterRefused(
            f"there is no dead letter {position}", hint="`dead-letters list` shows what there is"
        ) from None
    return decode_letter(body, key)


def decode_letter(body: bytes, key: str) -> DeadLetter:
    """CorruptRecord names the key, also where the letter says that it belongs under another one."""
    return read_note(body, f"the dead letter {key}", lambda document: _letter(document, key), hint=_HINT)


def parse_id(letter_id: str) -> Position:
    """The position that `<stream>/<log>/<offset>` names; LetterRefused for anything else."""
    parts = letter_id.split("/")
    if len(parts) == 3 and NAME.match(parts[0]) and NAME.match(parts[1]):
        offset = parts[2]
        if offset.isascii() and offset.isdigit() and len(offset) <= 20 and int(offset) < 1 << 63:
            return Position(parts[0], parts[1], int(offset))
    raise LetterRefused(f"{letter_id[:200]!a} is no id of a dead letter", hint="ids are STREAM/LOG/OFFSET, as listed")


def letter_key(root: str, position: Position) -> str:
    return meta_key(root, KIND, position.stream, position.log, f"{position.offset:020d}.json")


def position_of_key(root: str, key: str) -> Position | None:
    """None where the key is none of a letter."""
    rest = key.removeprefix(f"{meta_key(root, KIND)}/").removesuffix(".json")
    try:
        position = parse_id(rest)
    except LetterRefused:
        return None
    return position if letter_key(root, position) == key else None


def event_of(letter: DeadLetter, value: bytes | None = None) -> Event:
    """The event as it was appended, with another payload if one is given. CorruptRecord."""
    return read_note(
        json.dumps(letter.document).encode(),
        f"the dead letter {letter.position}",
        lambda document: _event(document, value),
        hint=_HINT,
    )


def _event(document: Document, value: bytes | None) -> Event:
    attributes: dict[str, str] = {}
    headers: list[tuple[str, bytes | None]] = []
    for name, encoded in document["headers"]:
        data = _bytes(encoded)
        if name in _ATTRIBUTES and name not in attributes:
            attributes[name] = (data or b"").decode()
        else:
            headers.append((text(name), data))
    payload = _bytes(document["value"]) if value is None else value
    if payload is None:
        raise ValueError("an event without a payload")
    return Event(
        value=payload,
        key=_bytes(document["key"]),
        id=attributes.get("ce_id", ""),
        type=attributes.get("ce_type", ""),
        source=attributes.get("ce_source", ""),
        time_ms=number(document["event_time_ms"]),
        headers=tuple(headers),
    )


def _letter(document: Document, key: str) -> DeadLetter:
    group = document["group"]
    members = None if group is None else (number(group[0]), number(group[1]))
    position = Position(text(document["stream"]), text(document["log"]), number(document["offset"]))
    if not key.endswith(f"/{position.stream}/{position.log}/{position.offset:020d}.json"):
        raise ValueError(f"it says that it is the letter of {position}")
    payload = _bytes(document["value"]) or b""
    letter = DeadLetter(
        position, text(document["reason"]), members, number(document["time_ms"]), len(payload), document
    )
    if position.offset not in letter.unit or len(letter.unit) > 1 << 20:
        raise ValueError(f"offset {position.offset} is not in its group {members}")
    return letter


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _bytes(encoded: object) -> bytes | None:
    return None if encoded is None else base64.b64decode(text(encoded), validate=True)
