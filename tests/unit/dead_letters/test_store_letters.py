"""Dead letters of the object store: what a requeue keeps of an event, what goes together, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from spool import failpoints
from spool.dead_letters.letters import event_of, letter_key, parse_id, read_letter
from spool.dead_letters.port import Decision, LetterFilter, demand_all_done
from spool.dead_letters.requeue import PRODUCER
from spool.dead_letters.states import LetterStates
from spool.errors import CorruptRecord, LetterRefused, StoreUnavailable
from spool.event import Event, Position, ProducerSequence
from spool.format.position_header import decode_local
from tests.fakes.folder_store import FolderStore
from tests.fakes.memory_store import Fault, MemoryStore
from tests.support.dead_letter_places import LOG, ROOT, STREAM, StorePlace, refused

DECISION = Decision("ops@here", "larger now")


@pytest.fixture
def place(tmp_path: Path) -> StorePlace:
    return StorePlace(MemoryStore(), tmp_path / "spool")


def state_key(offset: int) -> str:
    return LetterStates(MemoryStore(), ROOT).key(Position(STREAM, LOG, offset))


def test_a_requeued_event_is_the_event_that_was_appended(place: StorePlace) -> None:
    event = Event(
        b"\x00\xff", b"k\x80", "the id", "type.a", "src", 1_700_000_000_123,
        (("h", b"\xfe"), ("empty", None), ("ce_id", b"another"), ("spool", b"foreign")),
    )  # fmt: skip
    letter_id = place.letters.put(refused(event, 5), "10")
    place.letters.requeue([letter_id], DECISION, dry_run=False)
    [record] = place.records()
    kept = refused(event, 5).record.record
    assert (record.key, record.value, record.timestamp) == (kept.key, kept.value, kept.timestamp)
    assert record.headers[1:] == kept.headers[:-1]  # the first is the sequence's, the last the position's


def test_a_group_is_requeued_whole_whichever_of_its_letters_is_named(place: StorePlace) -> None:
    ids = place.put_group(10, 3)
    [outcome] = place.letters.requeue([ids[1]], DECISION, dry_run=False)
    assert outcome.error is None
    assert place.sent() == ["payload 10", "payload 11", "payload 12"]
    assert decode_local(dict(place.records()[0].headers)["spool"] or b"") == 3, "delivered all or none again"
    assert outcome.detail.endswith("/1"), "the second of the group, which begins at 0"
    assert {letter.state for letter in place.letters.list(LetterFilter()).letters} == {"requeued"}
    again = place.letters.requeue(ids, DECISION, dry_run=False)
    assert [outcome.detail.rpartition("/")[2] for outcome in again] == ["0", "1", "2"]
    assert len(place.sent()) == 3


def test_a_page_that_begins_within_a_group_knows_the_groups_state(place: StorePlace) -> None:
    ids = place.put_group(10, 3)
    place.letters.discard(ids[0], DECISION, dry_run=False)
    first = place.letters.list(LetterFilter(), limit=1)
    rest = place.letters.list(LetterFilter(), after=first.next)
    assert [letter.state for letter in (*first.letters, *rest.letters)] == ["discarded"] * 3


def test_a_group_with_a_letter_missing_is_not_sent_in_part(place: StorePlace) -> None:
    ids = place.put_group(10, 3)
    place.store.delete(letter_key(ROOT, parse_id(ids[2])))
    [outcome] = place.letters.requeue([ids[0]], DECISION, dry_run=False)
    assert isinstance(outcome.error, LetterRefused)
    assert place.sent() == []
    assert place.letters.show(ids[0]).letter.state == "open"


def test_a_void_letter_can_be_neither_requeued_nor_discarded(place: StorePlace) -> None:
    letter_id = place.put(4)
    place.effects.void.add(4)
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=False)
    with pytest.raises(LetterRefused, match="void"):
        demand_all_done([outcome])
    with pytest.raises(LetterRefused, match="void"):
        place.letters.discard(letter_id, DECISION, dry_run=False)
    assert place.letters.show(letter_id).letter.state == "open"
    assert place.sent() == []


@pytest.mark.parametrize(
    "damage",
    [b"", b"[]", b"{}", b"\xff", b'{"stream":1}', b'{"reason":null,"offset":2,"group":null}'],
    ids=repr,
)
def test_a_damaged_letter_is_listed_as_such_and_the_others_go_on(place: StorePlace, damage: bytes) -> None:
    good, bad = place.put(1), place.put(2)
    key = letter_key(ROOT, parse_id(bad))
    place.store.put_if_match(key, damage, place.store.get(key).etag)
    assert [(one.id, one.state) for one in place.letters.list(LetterFilter()).letters] == [
        (good, "open"), (bad, "unreadable"),
    ]  # fmt: skip
    outcomes = place.letters.requeue([bad, good], DECISION, dry_run=False)
    assert isinstance(outcomes[0].error, CorruptRecord)
    assert place.sent() == ["payload 1"]


def changed(place: StorePlace, letter_id: str, **fields: object) -> None:
    key = letter_key(ROOT, parse_id(letter_id))
    stored = place.store.get(key)
    place.store.put_if_match(key, json.dumps(json.loads(stored.body) | fields).encode(), stored.etag)


@pytest.mark.parametrize(
    "fields",
    [
        {"value": None}, {"value": "***"}, {"key": 7}, {"headers": "x"}, {"headers": [["a"]]}, {"event_time_ms": -1},
        {"offset": 3}, {"log": "other"}, {"group": [5, 2]}, {"group": [0, 1 << 40]}, {"headers": [["ce_id", "/w=="]]},
    ],
    ids=repr,
)  # fmt: skip
def test_a_letter_with_a_field_that_cannot_be_is_named_and_nothing_is_sent(place: StorePlace, fields) -> None:
    letter_id = place.put(2)
    changed(place, letter_id, **fields)
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=False)
    assert isinstance(outcome.error, CorruptRecord)
    assert place.sent() == []
    assert state_key(2) not in place.store.objects


def test_a_damaged_state_is_shown_and_keeps_its_letter_from_being_sent(place: StorePlace) -> None:
    bad, good = place.put(1), place.put(2)
    place.store.put_if_absent(state_key(1), b"{", {})
    assert [one.state for one in place.letters.list(LetterFilter()).letters] == ["unreadable", "open"]
    outcomes = place.letters.requeue([bad, good], DECISION, dry_run=False)
    assert isinstance(outcomes[0].error, CorruptRecord)
    assert place.sent() == ["payload 2"]


def test_the_log_is_named_in_the_state_before_anything_is_appended(place: StorePlace) -> None:
    letter_id = place.put(1)
    place.store.faults.append(Fault("put_if_match", "unavailable"))
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=False)
    assert isinstance(outcome.error, StoreUnavailable)
    assert place.sent() == []
    place.store.faults.append(Fault("put_if_match", "lose_answer"))
    place.letters.requeue([letter_id], DECISION, dry_run=False)
    assert (place.sent(), place.letters.show(letter_id).decision["to_log"]) == ([], place.client.log_of(STREAM))
    [outcome] = place.again().letters.requeue([letter_id], DECISION, dry_run=False)
    assert (outcome.state, place.sent()) == ("requeued", ["payload 1"])


def test_a_requeue_that_another_folder_began_is_not_repeated_here(place: StorePlace, tmp_path: Path) -> None:
    letter_id = place.put(1)
    begun(place, letter_id)
    other = StorePlace(place.store, tmp_path / "other")
    [outcome] = other.letters.requeue([letter_id], DECISION, dry_run=False)
    assert isinstance(outcome.error, LetterRefused)
    assert place.client.log_of(STREAM) in outcome.error.hint
    assert other.sent() == []
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=False)
    assert (outcome.error, place.sent()) == (None, ["payload 1"])


def begun(place: StorePlace, letter_id: str) -> None:
    """A requeue that ended behind its note: the store kept it and its answer was lost."""
    place.store.faults.append(Fault("put_if_match", "lose_answer"))
    place.letters.requeue([letter_id], DECISION, dry_run=False)


def test_a_requeue_goes_on_in_the_successor_that_knows_it_was_not_written(tmp_path: Path) -> None:
    store = MemoryStore()
    place = StorePlace(store, tmp_path / "one")
    letter_id = place.put(1)
    begun(place, letter_id)
    before = place.client.log_of(STREAM)
    place.client.close()
    (tmp_path / "one").rename(tmp_path / "kept")
    shutil.copytree(tmp_path / "kept", tmp_path / "one")  # a restored folder: its log is ended and continued
    moved = StorePlace(store, tmp_path / "one")
    [outcome] = moved.letters.requeue([letter_id], DECISION, dry_run=False)
    assert outcome.error is None
    assert moved.client.log_of(STREAM) != before
    assert outcome.detail.startswith(f"{STREAM}/{moved.client.log_of(STREAM)}/")
    assert moved.sent() == ["payload 1"]


def test_a_begun_requeue_keeps_its_payload(place: StorePlace) -> None:
    letter_id = place.put(1)
    place.store.faults.append(Fault("put_if_match", "lose_answer"))
    place.letters.requeue([letter_id], DECISION, dry_run=False, value=b"edited")
    [other] = place.letters.requeue([letter_id], DECISION, dry_run=False, value=b"yet another")
    assert isinstance(other.error, LetterRefused)
    [done] = place.letters.requeue([letter_id], DECISION, dry_run=False)
    assert (done.state, place.sent()) == ("requeued", ["edited"])


def test_a_payload_that_the_stream_refuses_leaves_the_letter_to_be_edited(place: StorePlace) -> None:
    letter_id = place.put(1)
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=False, value=b"x" * 1_000_000)
    assert outcome.error is not None
    assert place.letters.show(letter_id).letter.state == "open"
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=False, value=b"small")
    assert (outcome.state, place.sent()) == ("requeued", ["small"])


def test_a_letter_that_a_rewind_sends_between_look_and_note_is_not_sent_twice(place: StorePlace) -> None:
    letter_id = place.put(1)

    def rewind_once_it_is_noted() -> None:
        if place.letters.show(letter_id).letter.state == "requeueing":
            place.effects.void.add(1)  # its replay came by before the note, and Kafka took the event

    place.effects.before_each = rewind_once_it_is_noted
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=False)
    assert isinstance(outcome.error, LetterRefused)
    assert (place.sent(), place.letters.show(letter_id).letter.state) == ([], "open")


def test_a_requeue_that_was_proven_needs_no_proof_again(place: StorePlace) -> None:
    letter_id = place.put(1)

    def lose_the_answer_to_the_proof() -> None:
        if place.letters.show(letter_id).letter.state == "requeueing":
            place.store.faults.append(Fault("put_if_match", "lose_answer"))

    place.effects.before_each = lose_the_answer_to_the_proof
    place.letters.requeue([letter_id], DECISION, dry_run=False)
    assert place.letters.show(letter_id).decision["in_effect"] is True
    place.effects.void.add(1)  # the deliveries of then have expired
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=False)
    assert (outcome.error, place.sent()) == (None, ["payload 1"])


def test_the_log_forgets_the_producer_of_a_finished_requeue(place: StorePlace) -> None:
    letter_id = place.put(1)
    place.letters.requeue([letter_id], DECISION, dry_run=False)
    producer = f"{PRODUCER}/{LOG}/1"
    assert not place.client.release_producer(STREAM, producer)
    again = ProducerSequence(producer, 1, place.client.log_of(STREAM))
    assert not place.client.append_once(STREAM, [Event(b"other")], again).repeated


def test_a_letter_among_many_is_looked_up_by_one_get(place: StorePlace) -> None:
    ids = [place.put(number) for number in range(300)]
    place.store.calls.clear()
    read_letter(place.store, ROOT, parse_id(ids[250]))
    place.letters.list(LetterFilter(f"{STREAM}/{LOG}"), after=ids[0], limit=5)
    names = [call.name for call in place.store.calls]
    assert (names[0], names.count("list"), names.count("get")) == ("get", 2, 6)


def test_the_event_of_a_letter_without_attributes_gets_the_spools(place: StorePlace) -> None:
    letter_id = place.put(1)
    changed(place, letter_id, headers=[["only", None]])
    event = event_of(read_letter(place.store, ROOT, parse_id(letter_id)))
    assert (event.id, event.type, event.source, event.headers) == ("", "", "", (("only", None),))


def test_looking_at_letters_opens_no_log(tmp_path: Path) -> None:
    place = StorePlace(FolderStore(tmp_path / "store"), tmp_path / "never")
    place.put(1)
    place.letters.list(LetterFilter())
    assert not (tmp_path / "never").exists()


def test_the_steps_of_a_requeue_are_failpoints() -> None:
    assert {f"dead_letters.{step}" for step in ("noted", "appended", "requeued", "released")} <= set(failpoints.NAMES)
