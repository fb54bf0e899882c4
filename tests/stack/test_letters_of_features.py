"""Dead letters in MariaDB: beside other changes in one transaction, requeued once, and their ways back."""

from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, select, text, update

from include.database.connection import transaction
from include.database.tables import DEAD_LETTERS, OUTBOX
from include.dead_letters import commands
from include.dead_letters.__main__ import main
from include.dead_letters.letters import PAYLOAD_BYTES_MAX, StoredLetter, Unprocessed, put_letter
from include.dead_letters.sql_letters import SqlDeadLetters, WayBack
from include.dead_letters.ways_back import WAYS_BACK
from include.outbox.refused_rows import refused_row
from include.outbox.write import put
from spool.command_line import ExitCode
from spool.dead_letters.port import Decision, LetterFilter, demand_all_done, requeue_all
from spool.errors import CorruptRecord, EventRefused, LetterRefused
from spool.event import Event
from spool.settings import StreamSettings
from tests.support import mariadb
from tests.support.killed_child import run_until_killed
from tests.support.sql_letters_place import FEATURE, SqlPlace, into_the_inbox
from tests.support.waiting import wait_for

DECISION = Decision("ops@here", "repaired")
KILLS = 20


@pytest.fixture
def place(operational_database: Engine) -> SqlPlace:
    return SqlPlace.empty(operational_database)


def test_a_letter_is_put_with_the_change_beside_it_or_not_at_all(place: SqlPlace) -> None:
    def change_and_fail() -> None:
        with transaction(place.database) as connection:
            put_letter(connection, Unprocessed(FEATURE, "one", b"x"), "bad")
            raise EventRefused("the change beside it fails", hint="")

    with pytest.raises(EventRefused):
        change_and_fail()
    assert place.letters.list(LetterFilter()).letters == ()


def test_what_fails_again_after_a_requeue_is_open_again_with_its_new_reason(place: SqlPlace) -> None:
    letter_id = place.put(1, "first")
    place.letters.requeue([letter_id], DECISION, dry_run=False)
    assert place.put(1, "second") == letter_id
    details = place.letters.show(letter_id)
    assert (details.letter.state, details.letter.reason, details.decision) == ("open", "second", {})
    place.letters.requeue([letter_id], DECISION, dry_run=False)
    assert place.sent() == ["payload 1", "payload 1"]


def test_what_was_discarded_stays_discarded_when_it_fails_again(place: SqlPlace) -> None:
    letter_id = place.put(1, "first")
    place.letters.discard(letter_id, DECISION, dry_run=False)
    assert place.put(1, "second") == letter_id
    assert place.letters.show(letter_id).letter.state == "discarded"


@pytest.mark.parametrize("subject", ["a" * 300, "\udcff.json", "", "😀" * 300], ids=ascii)
def test_subjects_of_any_kind_are_kept_apart(place: SqlPlace, subject: str) -> None:
    put = [
        place.letters.put(Unprocessed(FEATURE, name, b"", {"name": name}), f"{name} is bad")
        for name in (subject, subject, f"{subject}b", f"{subject} ")
    ]
    assert (put[0], len(set(put))) == (put[1], 3)
    assert place.letters.show(put[2]).document["name"] == f"{subject}b"


def test_what_the_table_cannot_hold_is_refused_by_name(place: SqlPlace) -> None:
    for item in (Unprocessed("No Feature", "x", b""), Unprocessed(FEATURE, "x", bytes(PAYLOAD_BYTES_MAX + 1))):
        with pytest.raises(LetterRefused, match=r"No Feature|8,388,609 bytes"):
            place.letters.put(item, "bad")


def test_a_way_back_that_fails_leaves_its_letter_open_and_nothing_behind(place: SqlPlace) -> None:
    def fails(connection: Connection, letter: StoredLetter, payload: bytes) -> str:
        into = {"stream": "s", "event_id": "i", "event_type": "t", "source": "s", "time_ms": 1, "payload": payload}
        connection.execute(OUTBOX.insert().values(into))
        raise EventRefused("too large", hint="")

    letter_id = place.put(1)
    [outcome] = SqlDeadLetters(place.database, {FEATURE: fails}).requeue([letter_id], DECISION, dry_run=False)
    assert isinstance(outcome.error, EventRefused)
    assert place.letters.show(letter_id).letter.state == "open"
    assert rows_of_the_outbox(place) == []


def test_a_feature_without_a_way_back_says_so(place: SqlPlace) -> None:
    letter_id = place.letters.put(Unprocessed("nobody", "x", b""), "bad")
    [outcome] = place.letters.requeue([letter_id], DECISION, dry_run=True)
    assert isinstance(outcome.error, LetterRefused)
    assert "no way back" in str(outcome.error)


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff", b"{"], ids=repr)
def test_a_damaged_row_is_named_and_stops_no_other(place: SqlPlace, damage: bytes) -> None:
    bad, good = place.put(1), place.put(2)
    with transaction(place.database) as connection:
        number = int(bad.rpartition("/")[2])
        connection.execute(update(DEAD_LETTERS).where(DEAD_LETTERS.c.id == number).values(details=damage))
    with pytest.raises(CorruptRecord, match=bad):
        place.letters.show(bad)
    outcomes = place.letters.requeue([bad, good], DECISION, dry_run=False)
    assert isinstance(outcomes[0].error, CorruptRecord)
    assert place.sent() == ["payload 2"]
    assert len(place.letters.list(LetterFilter(FEATURE, "open")).letters) == 1


def rows_of_the_outbox(place: SqlPlace) -> list[dict[str, object]]:
    with transaction(place.database) as connection:
        return [dict(row._mapping) for row in connection.execute(select(OUTBOX).order_by(OUTBOX.c.id))]


def test_a_refused_row_of_the_outbox_goes_back_as_the_event_it_was(place: SqlPlace) -> None:
    lost = Event(b"\x00\xff", b"k\x80", "the id", "changed", "src", 1_700_000_000_123, (("h", b"\xfe"), ("e", None)))
    with transaction(place.database) as connection:
        connection.execute(OUTBOX.delete())
        put(connection, StreamSettings("events", "events"), [lost], source="test")
    [before] = rows_of_the_outbox(place)
    with transaction(place.database) as connection:
        letter_id = put_letter(connection, refused_row("events", SimpleNamespace(**before)), "too large")
        connection.execute(OUTBOX.delete())
    letters = SqlDeadLetters(place.database, WAYS_BACK)
    [outcome] = letters.requeue([letter_id], DECISION, dry_run=False)
    assert (outcome.error, outcome.detail) == (None, "the outbox of events")
    [after] = rows_of_the_outbox(place)
    assert after | {"id": 0} == before | {"id": 0}
    json.dumps(letters.show(letter_id).document)


def test_the_command_line_lists_requeues_and_discards(
    place: SqlPlace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPILLWAY_DATABASE_URI", mariadb.uri(place.database.raw_connection))
    monkeypatch.setattr(commands, "WAYS_BACK", {FEATURE: into_the_inbox})
    first, second = place.put(1), place.put(2)

    def rows(*arguments: str) -> tuple[int, list[dict[str, object]]]:
        code = main([*arguments, "--json"])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    code, listed = rows("list", "--feature", FEATURE, "--state", "open")
    assert (code, [row["id"] for row in listed]) == (ExitCode.DONE, [first, second])
    assert rows("show", first)[1][0]["document"] == {"subject": "change 1"}
    assert rows("discard", second, "--reason", "unwanted")[1][0]["dry_run"] is True
    assert rows("discard", second, "--reason", "unwanted", "--execute")[1][0]["state"] == "discarded"
    assert [row["id"] for row in rows("requeue", "--all")[1]] == [first]
    assert place.sent() == []
    assert [row["id"] for row in rows("requeue", "--all", "--execute")[1]] == [first]
    assert place.sent() == ["payload 1"]
    assert rows("requeue", second)[0] == ExitCode.FAILED
    assert rows("requeue", "--all", "--execute")[1] == [{"letters": 0, "dry_run": False}]


@pytest.mark.parametrize(
    "chosen",
    [LetterFilter(), LetterFilter(FEATURE), LetterFilter(FEATURE, "open"), LetterFilter(state="open")],
    ids=str,
)
@pytest.mark.parametrize("after", ["", f"{FEATURE}/7"])
def test_a_page_reads_its_letters_in_their_order_and_sorts_nothing(
    place: SqlPlace, chosen: LetterFilter, after: str
) -> None:
    for number in range(20):
        place.put(number)
    asked: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, values: object, *rest: object) -> None:
        if "FROM dead_letters" in statement:
            asked.append((statement, values))

    event.listen(place.database, "before_cursor_execute", note)
    try:
        place.letters.list(chosen, after=after, limit=5)
    finally:
        event.remove(place.database, "before_cursor_execute", note)
    [(statement, values)] = asked
    with place.database.connect() as connection:
        [plan] = connection.exec_driver_sql(f"EXPLAIN {statement}", values).all()
    assert "filesort" not in str(plan.Extra)
    assert plan.key in ("dead_letters_feature", "dead_letters_state")


def test_two_operators_at_once_send_a_letter_once(place: SqlPlace) -> None:
    letter_id = place.put(1)
    inside, go_on, outcomes = threading.Event(), threading.Event(), []

    def slowly(connection: Connection, letter: StoredLetter, payload: bytes) -> str:
        inside.set()
        assert go_on.wait(240)
        return into_the_inbox(connection, letter, payload)

    def requeue(way_back: WayBack) -> None:
        outcomes.extend(
            SqlDeadLetters(place.database, {FEATURE: way_back}).requeue([letter_id], DECISION, dry_run=False)
        )

    first = threading.Thread(target=requeue, args=(slowly,))
    first.start()
    assert inside.wait(240)
    second = threading.Thread(target=requeue, args=(into_the_inbox,))
    second.start()
    wait_for(lambda: waits_for_a_lock(place) or not second.is_alive())
    go_on.set()
    first.join()
    second.join()
    assert (place.sent(), [outcome.state for outcome in outcomes]) == (["payload 1"], ["requeued", "requeued"])


def waits_for_a_lock(place: SqlPlace) -> bool:
    """InnoDB answers from a cache that it renews only where nobody has asked for 0.1 s."""
    time.sleep(0.2)
    with transaction(place.database) as connection:
        return bool(connection.scalar(text("SELECT COUNT(*) FROM information_schema.innodb_lock_waits")))


@pytest.mark.parametrize("name", ["sql_letters.sent", "sql_letters.requeued"])
def test_a_requeue_killed_at_every_step_sends_each_letter_once(place: SqlPlace, name: str) -> None:
    for number in range(KILLS + 5):
        place.put(number)

    def requeue() -> None:
        here = place.again()
        demand_all_done(list(requeue_all(here.letters, "", DECISION, dry_run=False)))

    kills = sum(run_until_killed(requeue, name) for _ in range(KILLS))
    assert kills == KILLS
    requeue()
    assert sorted(place.sent()) == sorted(f"payload {number}" for number in range(KILLS + 5))
    assert {letter.state for letter in place.letters.list(LetterFilter()).letters} == {"requeued"}
