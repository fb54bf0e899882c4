"""Alarms open once, close by themselves, and wait on this host while the object store is away."""

from __future__ import annotations

import pytest

from spool.audit.alarm_book import AlarmBook
from spool.log.local_alarms import LocalAlarms
from tests.fakes.memory_store import Fault, MemoryStore

GAP = ("log_gap", "events/a1")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def local(tmp_path) -> LocalAlarms:
    return LocalAlarms(tmp_path)


@pytest.fixture
def book(store, local) -> AlarmBook:
    return AlarmBook(store, "spool", local=local)


def away(store: MemoryStore) -> None:
    store.faults.append(Fault("*", "unavailable", times=1000))


def back(store: MemoryStore) -> None:
    store.faults.clear()


def test_an_alarm_opens_once_and_keeps_its_first_evidence(book):
    book.open(*GAP, "segment 3")
    [first] = book.all()
    book.open(*GAP, "segment 4")
    assert book.all() == [first]
    assert (first.evidence, first.closed_ms) == ("segment 3", 0)


def test_a_closed_alarm_stays_as_what_it_was_and_may_open_again(book):
    book.open(*GAP, "segment 3")
    book.close(*GAP)
    [closed] = book.all()
    assert (closed.evidence, closed.closed_ms > 0) == ("segment 3", True)
    book.open(*GAP, "segment 9")
    [again] = book.all()
    assert (again.evidence, again.closed_ms) == ("segment 9", 0)


def test_closing_what_is_not_open_writes_nothing(book, store):
    book.close(*GAP)
    assert not store.objects


def test_subjects_have_alarms_of_their_own(book):
    book.open("log_gap", "events/a1", "")
    book.open("log_gap", "events/b2", "")
    book.close("log_gap", "events/a1")
    assert [alarm.subject for alarm in book.all() if not alarm.closed_ms] == ["events/b2"]


def test_while_the_store_is_away_an_alarm_waits_on_this_host_and_is_carried_over(book, store, local):
    away(store)
    book.open(*GAP, "segment 3")
    assert [alarm.evidence for alarm in local.all()] == ["segment 3"]
    back(store)
    assert [alarm.evidence for alarm in book.all()] == ["segment 3"]
    assert local.all() == []


def test_an_alarm_that_opened_while_the_store_was_away_is_closed_by_a_close_after_it(book, store):
    away(store)
    book.open(*GAP, "segment 3")
    back(store)
    book.close(*GAP)
    assert [alarm.closed_ms > 0 for alarm in book.all()] == [True]


def test_an_alarm_that_opened_and_closed_while_the_store_was_away_is_kept_as_closed(book, store):
    away(store)
    book.open(*GAP, "segment 3")
    book.close(*GAP)
    back(store)
    assert [(alarm.evidence, alarm.closed_ms > 0) for alarm in book.all()] == [("segment 3", True)]


def test_an_alarm_opened_before_and_closed_while_the_store_was_away_closes_when_it_is_back(book, store):
    book.open(*GAP, "segment 3")
    away(store)
    book.close(*GAP)
    back(store)
    assert [alarm.closed_ms > 0 for alarm in book.all()] == [True]


def test_two_instances_that_open_at_once_leave_one_alarm(store, local):
    books = [AlarmBook(store, "spool", local=local) for _ in range(2)]
    raced = []

    def race(name: str, _key: str) -> None:
        if name == "put_if_match" and not raced:
            raced.append(1)
            books[1].open(*GAP, "the other's")

    store.before_call = race
    books[0].open(*GAP, "ours")
    store.before_call = None
    assert [alarm.evidence for alarm in books[0].all()] == ["the other's"]
