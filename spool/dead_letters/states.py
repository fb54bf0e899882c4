"""
What was decided about a letter: an object of its own beside it, so that the letter stays as it was put.

    <root>/_meta/dead_letter_states/<stream>/<log>/<offset, 20 digits>.json

The offset is the first of a group whose events go together. An open letter has no such object, or one that says `open`
where its requeue was refused. It is put if absent and changed with If-Match: of two operators, one decides.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from spool.dead_letters.port import Decision, State
from spool.errors import CorruptRecord, ObjectMissing
from spool.event import Position
from spool.format.json_notes import Document, demand_version, number, read_note, text
from spool.store.keys import meta_key
from spool.store.object_store import ObjectStore

KIND = "dead_letter_states"
VERSION = 1
_HINT = "restore the object from a backup; nothing is sent and nothing is forgotten meanwhile"
_STORED: tuple[State, ...] = ("open", "requeueing", "requeued", "discarded")


class LetterState(NamedTuple):
    """
    first, size   the offsets that it is about
    to_log        the log that the requeue was meant for, named before anything is appended; "" of a discarded letter
    edits         other payloads, by offset
    requeued_at   the first offset in `to_log`; -1 before it is known
    in_effect     that Kafka has none of the events was proven behind this state; nothing is appended before
    """

    state: State
    first: int
    size: int
    decision: Decision
    time_ms: int
    to_log: str = ""
    edits: Mapping[int, bytes] = {}
    requeued_at: int = -1
    in_effect: bool = False

    @property
    def offsets(self) -> range:
        return range(self.first, self.first + self.size)

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "version": VERSION,
            "state": self.state,
            "first": self.first,
            "size": self.size,
            "who": self.decision.who,
            "reason": self.decision.reason,
            "time_ms": self.time_ms,
            "to_log": self.to_log,
            "edits": {str(offset): base64.b64encode(value).decode() for offset, value in self.edits.items()},
            "requeued_at": self.requeued_at,
            "in_effect": self.in_effect,
        }


class StoredState(NamedTuple):
    """A state, None for an open letter, with the ETag to change it by, None where there is no object."""

    state: LetterState | None
    etag: str | None


class LetterStates:
    """The states in one object store."""

    def __init__(self, store: ObjectStore, root: str) -> None:
        self._store, self._root = store, root

    def read(self, first: Position) -> StoredState:
        """Of the unit that begins at `first`. CorruptRecord."""
        key = self.key(first)
        try:
            stored = self._store.get(key)
        except ObjectMissing:
            return StoredState(None, None)
        state = _decode(stored.body, key)
        return StoredState(None if state.state == "open" else state, stored.etag)

    def write(self, first: Position, state: LetterState, etag: str | None) -> str:
        """Durable when it returns the new ETag. PreconditionFailed where somebody else decided meanwhile."""
        return self._store.put_if_match(self.key(first), json.dumps(state.document()).encode(), etag)

    def between(self, first: Position, last: Position) -> dict[str, LetterState | CorruptRecord]:
        """The states of one log from `first` to `last` by their keys, or what is wrong with them; one listing."""
        states: dict[str, LetterState | CorruptRecord] = {}
        # The key just below the first one, so that the first one is listed too.
        for listed in self._store.list(self._prefix(first.stream, first.log), start_after=self.key(first)[:-1]):
            if listed.key > self.key(last):
                break
            try:
                states[listed.key] = _decode(self._store.get(listed.key).body, listed.key)
            except CorruptRecord as error:
                states[listed.key] = error
        return states

    def decided(self, first: Position) -> Iterator[LetterState]:
        """Of letters that are not open, from `first` on, in order; each is read when it is asked for."""
        for listed in self._store.list(self._prefix(first.stream, first.log), start_after=self.key(first)[:-1]):
            state = _decode(self._store.get(listed.key).body, listed.key)
            if state.state != "open":
                yield state

    def _prefix(self, stream: str, log: str) -> str:
        return f"{meta_key(self._root, KIND, stream, log)}/"

    def key(self, first: Position) -> str:
        """The key of the state of the unit that begins at `first`."""
        return meta_key(self._root, KIND, first.stream, first.log, f"{first.offset:020d}.json")


def _decode(body: bytes, key: str) -> LetterState:
    return read_note(body, f"the state {key}", _state, hint=_HINT)


def _state(document: Document) -> LetterState:
    demand_version(document, VERSION)
    name: State = document["state"]
    if name not in _STORED:
        raise ValueError(f"{name!r} is no state")
    at = document["requeued_at"]
    return LetterState(
        state=name,
        first=number(document["first"]),
        size=number(document["size"]),
        decision=Decision(text(document["who"]), text(document["reason"])),
        time_ms=number(document["time_ms"]),
        to_log=text(document["to_log"]),
        edits={
            int(offset): base64.b64decode(text(value), validate=True) for offset, value in document["edits"].items()
        },
        requeued_at=-1 if at == -1 else number(at),
        in_effect=document.get("in_effect", False) is True,
    )
