"""Dead letters over the object store: what Kafka refuses. A letter's key is its position: one get looks it up."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from typing import NamedTuple

from spool.clock import now_ms
from spool.dead_letters.letters import (
    KIND,
    DeadLetter,
    decode_letter,
    event_of,
    parse_id,
    position_of_key,
    put_letter,
    read_letter,
)
from spool.dead_letters.port import (
    PAGE_LETTERS,
    Decision,
    Letter,
    LetterDetails,
    LetterFilter,
    Outcome,
    Page,
    State,
    demand_reason,
)
from spool.dead_letters.requeue import UnitRequeue, WayBack, busy
from spool.dead_letters.states import LetterState, LetterStates
from spool.errors import CorruptRecord, LetterRefused, ObjectMissing, PreconditionFailed, SpoolError
from spool.event import Position
from spool.format.relayout import ArchivedRecord
from spool.names import LogName
from spool.store.keys import meta_key
from spool.store.object_store import ObjectInfo, ObjectStore

# A page is read by so many threads: a get is a round trip, and a page has a hundred.
_READERS = 8


class RefusedRecord(NamedTuple):
    """What Kafka refused: a record of a stream's log, as the archive has it, meant for a topic."""

    stream: str
    topic: str
    record: ArchivedRecord


class StoreDeadLetters:
    """The port over an object store. Without a `way_back` letters can be looked at only."""

    def __init__(self, store: ObjectStore, root: str, way_back: WayBack | None = None) -> None:
        self._store, self._root, self._way_back = store, root, way_back
        self._states = LetterStates(store, root)

    def put(self, item: RefusedRecord, reason: str) -> str:
        put_letter(self._store, self._root, item.stream, item.topic, item.record, reason)
        return str(Position(item.stream, item.record.position.log, item.record.position.offset))

    def list(self, chosen: LetterFilter, *, after: str = "", limit: int = PAGE_LETTERS) -> Page:
        prefix = f"{meta_key(self._root, KIND, *_source_parts(chosen.source))}/"
        start = f"{meta_key(self._root, KIND)}/{after}" if after else ""
        listed = list(islice(self._store.list(prefix, start_after=start), limit + 1))
        shown = self._letters(listed[:limit])
        more = listed[limit - 1].key.removeprefix(f"{meta_key(self._root, KIND)}/") if len(listed) > limit else ""
        return Page(tuple(letter for letter in shown if chosen.state in (None, letter.state)), more)

    def show(self, letter_id: str) -> LetterDetails:
        letter = read_letter(self._store, self._root, parse_id(letter_id))
        state = self._states.read(letter.position._replace(offset=letter.unit.start)).state
        return LetterDetails(_line(letter, state), letter.document, state.document() if state else {})

    def payload(self, letter_id: str) -> bytes:
        return event_of(read_letter(self._store, self._root, parse_id(letter_id))).value

    def requeue(
        self, ids: Sequence[str], decision: Decision, *, dry_run: bool, value: bytes | None = None
    ) -> tuple[Outcome, ...]:
        if value is not None and len(ids) != 1:
            raise LetterRefused("an edited payload is for one letter", hint="name the one letter that it replaces")
        return tuple(self._requeued(letter_id, decision, dry_run=dry_run, value=value) for letter_id in ids)

    def discard(self, letter_id: str, decision: Decision, *, dry_run: bool) -> Outcome:
        """The whole group, where the letter belongs to one. Durable when it returns."""
        demand_reason(decision)
        letter = read_letter(self._store, self._root, parse_id(letter_id))
        first = letter.position._replace(offset=letter.unit.start)
        stored = self._states.read(first)
        if stored.state is not None:
            return _discarded_before(letter, stored.state)
        self._demand_way_back().effects.demand(first.stream, first.log, letter.unit)
        if dry_run:
            return Outcome(letter_id, "open", f"would be discarded, {len(letter.unit)} events")
        state = LetterState("discarded", first.offset, len(letter.unit), decision, now_ms())
        try:
            self._states.write(first, state, stored.etag)
        except PreconditionFailed as error:
            now = self._states.read(first).state
            if now is None:
                raise busy(first) from error
            return _discarded_before(letter, now)
        return Outcome(letter_id, "discarded", decision.reason)

    def _requeued(self, letter_id: str, decision: Decision, *, dry_run: bool, value: bytes | None) -> Outcome:
        try:
            way_back = self._demand_way_back()
            letter = read_letter(self._store, self._root, parse_id(letter_id))
            return UnitRequeue(self._store, self._root, way_back, letter).run(decision, dry_run=dry_run, value=value)
        except SpoolError as error:  # the boundary: one letter that stays does not stop the others
            return Outcome(letter_id, "open", "", error)

    def _demand_way_back(self) -> WayBack:
        if self._way_back is None:
            raise LetterRefused(
                "these dead letters can only be looked at", hint="requeueing needs Kafka and a spool folder"
            )
        return self._way_back

    def _letters(self, listed: Sequence[ObjectInfo]) -> tuple[Letter, ...]:
        with ThreadPoolExecutor(_READERS) as readers:
            read = [letter for letter in readers.map(self._read, listed) if letter is not None]
        states = self._states_of([letter for letter in read if isinstance(letter, DeadLetter)])
        return tuple(
            letter if isinstance(letter, Letter) else _line(letter, states.get(self._states.key(_unit_of(letter))))
            for letter in read
        )

    def _read(self, listed: ObjectInfo) -> DeadLetter | Letter | None:
        """The letter; as it is listed where it cannot be read; None where it is gone since the listing."""
        try:
            return decode_letter(self._store.get(listed.key).body, listed.key)
        except ObjectMissing:
            return None
        except CorruptRecord as error:
            position = position_of_key(self._root, listed.key)
            name = str(position) if position else listed.key.removeprefix(f"{meta_key(self._root, KIND)}/")
            return Letter(name, name.rpartition("/")[0], str(error), "unreadable", 0, listed.size_bytes)

    def _states_of(self, read: Sequence[DeadLetter]) -> dict[str, LetterState | CorruptRecord]:
        """By their keys; one listing for each log of the page."""
        units = sorted({_unit_of(letter) for letter in read})
        states: dict[str, LetterState | CorruptRecord] = {}
        for _, group in groupby(units, key=lambda first: first[:2]):
            of_log = list(group)
            states |= self._states.between(of_log[0], of_log[-1])
        return states


def _unit_of(letter: DeadLetter) -> Position:
    return letter.position._replace(offset=letter.unit.start)


def _line(letter: DeadLetter, state: LetterState | CorruptRecord | None) -> Letter:
    position, reason = letter.position, letter.reason
    name: State = "open"
    if isinstance(state, CorruptRecord):
        reason, name = str(state), "unreadable"
    elif state is not None:
        name = state.state
    source = str(LogName(position.stream, position.log))
    return Letter(str(position), source, reason, name, letter.time_ms, letter.size_bytes)


def _discarded_before(letter: DeadLetter, state: LetterState) -> Outcome:
    if state.state == "discarded":
        return Outcome(str(letter.position), "discarded", state.decision.reason)
    done = "was requeued" if state.state == "requeued" else "is being requeued"
    raise LetterRefused(
        f"{letter.position} {done} by {state.decision.who}",
        hint="its event is, or will be, in the log again: `dead-letters show` names the position",
    )


def _source_parts(source: str) -> list[str]:
    """LetterRefused for what cannot be a stream, or a stream and a log."""
    parts = source.split("/") if source else []
    if len(parts) > 2:
        raise LetterRefused(f"{source[:200]!a} is no source", hint="STREAM or STREAM/LOG")
    return [part for part in parts if parse_id(f"{part}/x/0")]
