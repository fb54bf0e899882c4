"""
One letter, or the whole group it belongs to, back into its stream: once, whenever it dies (rule 25).

    1. the state `requeueing`: the log of this folder, who, why, an edited payload    durable before anything is sent
    2. its letters are in effect: a committed delivery names their offsets as skipped; the state says so
    3. append to that log under (`dead_letter/<log>/<offset>`, 1)                   the log knows it from then on
    4. the state `requeued`, with the new position                                  durable
    5. the log forgets the producer

    dies after 1   the next run goes on with 2
    dies after 2   the next run finds log and payload in the state, and appends under the same sequence
    dies after 3   the same; the log answers with the positions it gave
    dies after 4   nothing is left but 5, which the next run of this letter does

A rewind may send the events again from their old place. Its replay skips what has a state when it comes there; what had
none yet is in Kafka, or about to be, when 2 looks: so 2 comes behind 1, and a letter that it finds void is open again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from spool import failpoints
from spool.clock import now_ms
from spool.dead_letters.letters import DeadLetter, event_of, read_letter
from spool.dead_letters.port import Decision, LettersWait, Outcome
from spool.dead_letters.states import LetterState, LetterStates, StoredState
from spool.errors import EventRefused, LetterRefused, PreconditionFailed, ProducerMoved
from spool.event import Accepted, Event, Position, ProducerSequence
from spool.store.object_store import ObjectStore

PRODUCER = "dead_letter"
SEQUENCE = 1

failpoints.declare(
    "dead_letters.noted",
    "dead_letters.proven",
    "dead_letters.appended",
    "dead_letters.requeued",
    "dead_letters.released",
)


class Effects(Protocol):
    """Which letters took effect; `spool/replay/letter_effects.py` reads it from Kafka."""

    def demand(self, stream: str, log: str, offsets: range) -> None:
        """LetterRefused unless the newest committed delivery of each offset skipped it."""
        ...


class RequeueClient(Protocol):
    """What of the spool's client is needed."""

    def append_once(
        self, stream: str, events: Sequence[Event], sequence: ProducerSequence, *, group: bool = False
    ) -> Accepted: ...

    def log_of(self, stream: str) -> str: ...

    def release_producer(self, stream: str, producer: str) -> bool: ...


class WayBack(NamedTuple):
    """What it takes to decide about letters. effects: of the deliveries; client: of this host's folder."""

    effects: Effects
    client: RequeueClient


class UnitRequeue:
    """The requeue of one unit: the letters that go together."""

    def __init__(self, store: ObjectStore, root: str, way_back: WayBack, letter: DeadLetter) -> None:
        self._store, self._root, self._way_back = store, root, way_back
        self._states = LetterStates(store, root)
        self._letter = letter
        self._stream, self._unit = letter.position.stream, letter.unit
        self._first = letter.position._replace(offset=self._unit.start)
        self._producer = f"{PRODUCER}/{self._first.log}/{self._first.offset}"

    def run(self, decision: Decision, *, dry_run: bool, value: bytes | None) -> Outcome:
        """Steps 1 to 5, from where an earlier run died. Errors: LetterRefused, CorruptRecord, those of an append."""
        stored = self._states.read(self._first)
        edits = {} if value is None else {self._letter.position.offset: value}
        _refuse_decided(self._letter, stored.state, edits)
        if stored.state is None:
            self._way_back.effects.demand(self._stream, self._first.log, self._unit)
        if dry_run:
            return self._plan(stored.state)
        if stored.state is None:
            stored = self._note(decision, edits, stored.etag)
        return self._outcome(self._append(self._proven(stored)))

    def _plan(self, state: LetterState | None) -> Outcome:
        if state is not None and state.state == "requeued":
            return self._outcome(state)
        also = f", with the {len(self._unit) - 1} others of its group" if len(self._unit) > 1 else ""
        to_log = f"/{state.to_log}" if state else ""
        what = Outcome(str(self._letter.position), "open", f"would be appended to {self._stream}{to_log}{also}")
        return what._replace(state=state.state) if state else what

    def _note(self, decision: Decision, edits: Mapping[int, bytes], before: str | None) -> StoredState:
        """Step 1. The first decision stands: its state is the result."""
        self._events(edits)  # a letter that makes no event must not be noted
        log = self._way_back.client.log_of(self._stream)
        state = LetterState("requeueing", self._first.offset, len(self._unit), decision, now_ms(), log, edits)
        try:
            etag = self._states.write(self._first, state, before)
        except PreconditionFailed as error:
            stored = self._states.read(self._first)
            if stored.state is None:
                raise busy(self._first) from error
            _refuse_decided(self._letter, stored.state, edits)
            return stored
        failpoints.reach("dead_letters.noted")
        return StoredState(state, etag)

    def _proven(self, stored: StoredState) -> StoredState:
        """Step 2. Nothing was appended before it, so a letter that is not in effect can be open again."""
        state = stored.state
        assert state is not None
        if state.in_effect or state.state == "requeued":
            return stored
        try:
            self._way_back.effects.demand(self._stream, self._first.log, self._unit)
        except LetterRefused:
            self._open_again(stored)
            raise
        state = state._replace(in_effect=True)
        etag = self._change(state, stored.etag)
        failpoints.reach("dead_letters.proven")
        return StoredState(state, etag)

    def _open_again(self, stored: StoredState) -> None:
        assert stored.state is not None
        self._change(stored.state._replace(state="open", to_log="", edits={}, in_effect=False), stored.etag)

    def _append(self, stored: StoredState) -> LetterState:
        """Steps 3 to 5."""
        state = stored.state
        assert state is not None
        if state.state == "requeued":
            self._release(state)
            return state
        sequence = ProducerSequence(self._producer, SEQUENCE, state.to_log)
        try:
            accepted = self._way_back.client.append_once(
                self._stream, self._events(state.edits), sequence, group=len(self._unit) > 1
            )
        except ProducerMoved as moved:
            return self._append(self._moved(stored, moved))
        except EventRefused:
            # As it is it can never be appended, so no earlier attempt was written: it may be edited, or discarded.
            self._open_again(stored)
            raise
        failpoints.reach("dead_letters.appended")
        done = state._replace(state="requeued", to_log=accepted.log, requeued_at=accepted.ranges[0].first)
        done = self._settled(done, stored.etag)
        failpoints.reach("dead_letters.requeued")
        self._release(done)
        failpoints.reach("dead_letters.released")
        return done

    def _moved(self, stored: StoredState, moved: ProducerMoved) -> StoredState:
        """The log that was named has a successor: go on there, if it is certain that the old one has nothing."""
        state = stored.state
        assert state is not None
        if not moved.certainly_not_written:
            raise LetterRefused(
                f"the requeue of {self._first} was begun for the log {state.to_log}, which this folder does not have",
                hint=f"run it on the host whose folder has {self._stream}/{state.to_log}: only that log knows whether "
                "the event is in it",
            ) from moved
        state = state._replace(to_log=moved.log)
        return StoredState(state, self._change(state, stored.etag))

    def _change(self, state: LetterState, etag: str | None) -> str:
        try:
            return self._states.write(self._first, state, etag)
        except PreconditionFailed as error:
            raise busy(self._first) from error

    def _settled(self, done: LetterState, etag: str | None) -> LetterState:
        try:
            self._states.write(self._first, done, etag)
        except PreconditionFailed as error:
            # Another run appended under the same sequence, and so has the same position.
            now = self._states.read(self._first).state
            if now is None or now.state != "requeued":
                raise busy(self._first) from error
            return now
        return done

    def _release(self, state: LetterState) -> None:
        if self._way_back.client.log_of(self._stream) == state.to_log:
            self._way_back.client.release_producer(self._stream, self._producer)

    def _events(self, edits: Mapping[int, bytes]) -> list[Event]:
        """Of all members in their order. LetterRefused where a letter of the group is missing."""
        events = []
        for offset in self._unit:
            is_own = offset == self._letter.position.offset
            position = Position(self._stream, self._first.log, offset)
            letter = self._letter if is_own else read_letter(self._store, self._root, position)
            events.append(event_of(letter, edits.get(offset)))
        return events

    def _outcome(self, state: LetterState) -> Outcome:
        place = state.requeued_at + self._letter.position.offset - state.first
        return Outcome(str(self._letter.position), state.state, f"{self._stream}/{state.to_log}/{place}")


def busy(first: Position) -> LettersWait:
    return LettersWait(f"another run decides about {first} at this moment", hint="run it again")


def _refuse_decided(letter: DeadLetter, state: LetterState | None, edits: Mapping[int, bytes]) -> None:
    if state is None:
        return
    if state.state == "discarded":
        raise LetterRefused(
            f"{letter.position} was discarded by {state.decision.who}: {state.decision.reason}",
            hint="if it is needed after all, append its payload as a new event: `dead-letters show ID --value`",
        )
    if edits and edits.items() - state.edits.items():
        raise LetterRefused(
            f"the requeue of {letter.position} was begun with another payload",
            hint="run it without --value: it goes on with the payload of then",
        )
