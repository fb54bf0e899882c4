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
from spool.errors import ObjectExists
from spool.event import Position
from spool.format.json_notes import Document, number, read_note, text
from spool.format.relayout import ArchivedRecord
from spool.store.keys import meta_key
from spool.store.object_store import ObjectStore

failpoints.declare("replay.dead_letter.put")

KIND = "dead_letters"
_HINT = "the event is still in the archive, at the offset that the key names: restore the letter from a backup"


class DeadLetter(NamedTuple):
    """
    One event that is not in Kafka.

    reason   what Kafka said, `code NAME`
    group    (first offset, size) when a whole group was taken out; None otherwise
    document what the object holds
    """

    position: Position
    reason: str
    group: tuple[int, int] | None
    document: dict[str, Any]


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
    try:
        store.put_if_absent(_key(root, stream, position.log, position.offset), json.dumps(document).encode(), {})
    except ObjectExists:
        return
    failpoints.reach("replay.dead_letter.put")


def letters(store: ObjectStore, root: str, stream: str, log: str) -> Iterator[DeadLetter]:
    """The letters of a log in the order of their offsets; void ones too. CorruptRecord names the object."""
    for listed in store.list(f"{meta_key(root, KIND, stream, log)}/"):
        body = store.get(listed.key).body
        yield read_note(
            body, f"the dead letter {listed.key}", lambda document: _letter(stream, log, document), hint=_HINT
        )


def _letter(stream: str, log: str, document: Document) -> DeadLetter:
    group = document["group"]
    members = None if group is None else (number(group[0]), number(group[1]))
    return DeadLetter(Position(stream, log, number(document["offset"])), text(document["reason"]), members, document)


def _key(root: str, stream: str, log: str, offset: int) -> str:
    return meta_key(root, KIND, stream, log, f"{offset:020d}.json")


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
