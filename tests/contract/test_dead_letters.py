"""What every place of dead letters promises: over the object store, and over the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool.dead_letters.port import Decision, LetterFilter, Outcome, demand_all_done, requeue_all
from spool.errors import LetterRefused, StoreUnavailable, TransientError
from tests.fakes.folder_store import FolderStore
from tests.fakes.memory_store import MemoryStore
from tests.support.dead_letter_places import Place, StorePlace
from tests.support.seaweed import Seaweed
from tests.support.sql_letters_place import SqlPlace

DECISION = Decision("ops@here", "the topic takes more now")


@pytest.fixture(params=["memory", "folder", *(pytest.param(name, marks=pytest.mark.stack) for name in ("s3", "sql"))])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sql":
        return SqlPlace.empty(request.getfixturevalue("operational_database"))
    if request.param == "memory":
        return StorePlace(MemoryStore(), tmp_path / "spool")
    if request.param == "folder":
        return StorePlace(FolderStore(tmp_path / "store"), tmp_path / "spool")
    server: Seaweed = request.getfixturevalue("seaweed")
    return StorePlace(server.store(), tmp_path / "spool")


def ids_of(place: Place, chosen: LetterFilter = LetterFilter(), limit: int = 100) -> list[str]:  # noqa: B008
    found, after = [], ""
    while True:
        page = place.letters.list(chosen, after=after, limit=limit)
        assert len(page.letters) <= limit
        found += [letter.id for letter in page.letters]
        after = page.next
        if not after:
            return found


def state_of(place: Place, letter_id: str) -> str:
    return place.letters.show(letter_id).letter.state


def test_what_is_put_is_listed_and_shown_with_its_reason(place: Place) -> None:
    letter_id = place.put(1, "87 INVALID_RECORD")
    [letter] = place.letters.list(LetterFilter()).letters
    assert (letter.id, letter.reason, letter.state) == (letter_id, "87 INVALID_RECORD", "open")
    assert letter.size_bytes == len("payload 1")
    assert letter.time_ms > 0
    details = place.letters.show(letter_id)
    assert details.letter == letter
    assert details.decision == {}
    assert place.letters.payload(letter_id) == b"payload 1"


def test_a_letter_that_is_there_already_keeps_its_first_reason(place: Place) -> None:
    letter_id = place.put(1, "first")
    assert place.put(1, "second") == letter_id
    assert place.letters.show(letter_id).letter.reason == "first"


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_any_size_show_every_letter_once_in_order(place: Place, limit: int) -> None:
    put = [place.put(number) for number in (3, 11, 20, 100, 1000)]
    assert ids_of(place, limit=limit) == put
    assert ids_of(place, LetterFilter(state="open"), limit) == put
    assert ids_of(place, LetterFilter(state="discarded"), limit) == []


def test_a_source_without_letters_is_an_empty_page(place: Place) -> None:
    place.put(1)
    assert ids_of(place, LetterFilter("elsewhere")) == []
    source = place.letters.list(LetterFilter()).letters[0].source
    assert len(ids_of(place, LetterFilter(source))) == 1


def test_a_requeued_letter_is_sent_once_however_often_it_is_asked_for(place: Place) -> None:
    letter_id = place.put(1)
    [first] = place.letters.requeue([letter_id], DECISION, dry_run=False)
    [again] = place.letters.requeue([letter_id], DECISION, dry_run=False)
    [elsewhere] = place.again().letters.requeue([letter_id], DECISION, dry_run=False)
    assert (first.state, first.error) == ("requeued", None)
    assert first == again == elsewhere
    assert place.sent() == ["payload 1"]
    details = place.letters.show(letter_id)
    assert details.letter.state == "requeued"
    assert (details.decision["who"], details.decision["reason"]) == DECISION


def test_a_dry_run_changes_nothing(place: Place) -> None:
    letter_id = place.put(1)
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=True)
    assert (outcome.state, outcome.error) == ("open", None)
    assert place.letters.discard(letter_id, DECISION, dry_run=True).state == "open"
    assert place.sent() == []
    assert state_of(place, letter_id) == "open"


def test_an_edited_payload_is_sent_instead_and_recorded(place: Place) -> None:
    letter_id = place.put(1)
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=False, value=b"smaller")
    assert outcome.error is None
    assert place.sent() == ["smaller"]
    assert "c21hbGxlcg==" in str(place.letters.show(letter_id).decision)


def test_one_letter_that_cannot_be_requeued_does_not_stop_the_others_and_is_named(place: Place) -> None:
    first, lost, last = place.put(1), place.put(2), place.put(3)
    place.letters.discard(lost, DECISION, dry_run=False)
    outcomes = place.letters.requeue([first, lost, last], DECISION, dry_run=False)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert place.sent() == ["payload 1", "payload 3"]
    with pytest.raises(LetterRefused, match="was discarded by ops@here"):
        demand_all_done(outcomes)


def test_all_open_letters_are_requeued_page_by_page(place: Place) -> None:
    put = [place.put(number) for number in range(1, 8)]
    place.letters.discard(put[2], DECISION, dry_run=False)
    place.letters.requeue([put[4]], DECISION, dry_run=False)
    planned = list(requeue_all(place.letters, "", DECISION, dry_run=True, page_letters=3))
    done = list(requeue_all(place.letters, "", DECISION, dry_run=False, page_letters=3))
    rest = [letter_id for number, letter_id in enumerate(put) if number not in (2, 4)]
    assert [outcome.id for outcome in planned] == [outcome.id for outcome in done] == rest
    assert list(requeue_all(place.letters, "", DECISION, dry_run=False)) == []
    assert sorted(place.sent()) == sorted(f"payload {number}" for number in (1, 2, 4, 5, 6, 7))


def test_a_discard_keeps_who_and_why_and_its_first_reason_counts(place: Place) -> None:
    letter_id = place.put(1)
    assert place.letters.discard(letter_id, DECISION, dry_run=False).state == "discarded"
    again = place.letters.discard(letter_id, Decision("other", "other"), dry_run=False)
    assert (again.state, again.detail) == ("discarded", DECISION.reason)
    assert place.letters.show(letter_id).decision["who"] == "ops@here"
    assert ids_of(place, LetterFilter(state="discarded")) == [letter_id]
    assert place.sent() == []


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_discard_without_a_reason_is_refused(place: Place, reason: str) -> None:
    letter_id = place.put(1)
    with pytest.raises(LetterRefused, match="reason"):
        place.letters.discard(letter_id, Decision("ops", reason), dry_run=False)
    assert state_of(place, letter_id) == "open"


def test_a_requeued_letter_cannot_be_discarded(place: Place) -> None:
    letter_id = place.put(1)
    place.letters.requeue([letter_id], DECISION, dry_run=False)
    with pytest.raises(LetterRefused, match="was requeued by"):
        place.letters.discard(letter_id, DECISION, dry_run=False)


def test_a_letter_that_is_not_there_is_refused_by_name(place: Place) -> None:
    source, _, _ = place.put(1).rpartition("/")
    with pytest.raises(LetterRefused, match=f"no dead letter {source}/999"):
        place.letters.show(f"{source}/999")
    [outcome] = place.letters.requeue([f"{source}/999"], DECISION, dry_run=True)
    assert isinstance(outcome.error, LetterRefused)


@pytest.mark.parametrize(
    "letter_id", ["", "x", "a/b/c/d", "events/oldlog/-1", "events/oldlog/٣", "../../x", "events/oldlog/" + "9" * 30]
)
def test_what_is_no_id_of_a_letter_is_refused_by_every_call(place: Place, letter_id: str) -> None:
    with pytest.raises(LetterRefused):
        place.letters.show(letter_id)
    with pytest.raises(LetterRefused):
        place.letters.payload(letter_id)
    with pytest.raises(LetterRefused):
        place.letters.discard(letter_id, DECISION, dry_run=False)
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=False)
    assert isinstance(outcome.error, LetterRefused)


def test_an_edited_payload_is_for_one_letter(place: Place) -> None:
    two = [place.put(1), place.put(2)]
    with pytest.raises(LetterRefused, match="one letter"):
        place.letters.requeue(two, DECISION, dry_run=False, value=b"x")
    assert place.sent() == []


def test_a_run_may_be_tried_again_only_if_that_may_help_every_letter_left(place: Place) -> None:
    away = Outcome("a/b/1", "open", "", StoreUnavailable("away"))
    refused = Outcome("a/b/2", "open", "", LetterRefused("void"))
    with pytest.raises(TransientError, match="a/b/1: away"):
        demand_all_done([away, away._replace(id="a/b/3")])
    with pytest.raises(LetterRefused, match="a/b/1: away; a/b/2: void"):
        demand_all_done([away, refused])
    demand_all_done([])
