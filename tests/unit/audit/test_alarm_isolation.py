"""Alarms among others that are damaged, foreign or out of reach: none keeps another from the book."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from spool.audit import alarm_book
from spool.audit.alarm_book import AlarmBook
from spool.log.local_alarms import LocalAlarms
from tests.fakes.memory_store import Fault, MemoryStore

# In the order of their keys.
ALARMS = [("a_condition", "events/1"), ("b_condition", "events/2"), ("c_condition", "events/3")]
FOREVER = 10**9


def key_of(alarm: tuple[str, str]) -> str:
    book = AlarmBook(MemoryStore(), "spool", local=LocalAlarms(Path("/nonexistent")))
    return book._key(*alarm)


def put(body: bytes) -> Callable[[MemoryStore, str], None]:
    def spoil(store: MemoryStore, key: str) -> None:
        found = store.objects.get(key)
        store.put_if_match(key, body, found.etag if found else None)

    return spoil


def fault(kind: str) -> Callable[[MemoryStore, str], None]:
    return lambda store, key: store.faults.extend(
        Fault(call, kind, key, times=FOREVER) for call in ("get", "put_if_match")
    )


FOREIGN = {
    "empty": put(b""), "a page": put(b"<html>"), "no object": put(b"[1, 2]"), "text": put(b'"alarm"'),
    "not UTF-8": put(b"\xff\xfe"), "too few fields": put(b'{"condition": "b_condition"}'),
    "fields of other kinds": put(b'{"condition": 1, "subject": null, "evidence": [], "opened_ms": ""}'),
    "nested": put(b"[" * 100_000),
}  # fmt: skip
AWAY = {"unavailable": fault("unavailable"), "refused": fault("refused")}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.mark.parametrize("broken", range(3))
@pytest.mark.parametrize("kind", [*FOREIGN, *AWAY])
def test_the_others_are_opened_and_closed(store: MemoryStore, tmp_path: Path, kind: str, broken: int) -> None:
    {**FOREIGN, **AWAY}[kind](store, key_of(ALARMS[broken]))
    book = AlarmBook(store, "spool", local=LocalAlarms(tmp_path))
    for alarm in ALARMS:
        book.open(*alarm, "evidence")
    others = [alarm for number, alarm in enumerate(ALARMS) if number != broken]
    assert [json.loads(store.objects[key_of(alarm)].body)["closed_ms"] for alarm in others] == [0, 0]
    for alarm in ALARMS:
        book.close(*alarm)
    assert all(json.loads(store.objects[key_of(alarm)].body)["closed_ms"] for alarm in others)


@pytest.mark.parametrize("broken", range(3))
@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_foreign_is_passed_over_and_named(
    store: MemoryStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, broken: int
) -> None:
    book = AlarmBook(store, "spool", local=LocalAlarms(tmp_path))
    for alarm in ALARMS:
        book.open(*alarm, "evidence")
    FOREIGN[kind](store, key_of(ALARMS[broken]))
    put(b"{}")(store, "spool/_meta/alarms/notes.txt")
    others = [alarm for number, alarm in enumerate(ALARMS) if number != broken]
    assert sorted((alarm.condition, alarm.subject) for alarm in book.all()) == others
    assert key_of(ALARMS[broken]) in caplog.text
    assert "notes.txt" in caplog.text


def test_an_alarm_of_a_newer_program_is_read_and_keeps_its_further_fields(store: MemoryStore, tmp_path: Path) -> None:
    key = key_of(ALARMS[0])
    condition, subject = ALARMS[0]
    document = {
        "condition": condition,
        "subject": subject,
        "evidence": "e",
        "opened_ms": 5,
        "closed_ms": 0,
        "host": "h",
    }
    put(json.dumps(document).encode())(store, key)
    book = AlarmBook(store, "spool", local=LocalAlarms(tmp_path))
    assert [alarm.evidence for alarm in book.all()] == ["e"]
    book.close(*ALARMS[0])
    closed = json.loads(store.objects[key].body)
    assert closed["host"] == "h"
    assert closed["closed_ms"] > 0


def test_a_store_with_a_fault_of_its_own_does_not_fail_the_caller(store: MemoryStore, tmp_path: Path) -> None:
    def broken(name: str, key: str) -> None:
        raise KeyError("ETag")

    store.before_call = broken
    book = AlarmBook(store, "spool", local=LocalAlarms(tmp_path))
    book.open(*ALARMS[0], "evidence")
    book.close(*ALARMS[1])
    assert [alarm.evidence for alarm in LocalAlarms(tmp_path).all() if not alarm.closed_ms] == ["evidence"]


def test_closing_what_is_closed_does_not_ask_the_store_each_time(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(alarm_book.time, "monotonic", lambda: now[0])
    book = AlarmBook(store, "spool", local=LocalAlarms(tmp_path))
    for _ in range(1000):
        for alarm in ALARMS:
            book.close(*alarm)
        now[0] += 0.1
    assert len(store.calls) == len(ALARMS)
    now[0] += alarm_book.CLOSED_REFRESH_S
    AlarmBook(store, "spool", local=LocalAlarms(tmp_path / "other")).open(*ALARMS[0], "by another process")
    book.close(*ALARMS[0])
    assert all(alarm.closed_ms for alarm in book.all())


def test_opening_what_is_open_does_not_ask_the_store_each_time(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(alarm_book.time, "monotonic", lambda: now[0])
    book = AlarmBook(store, "spool", local=LocalAlarms(tmp_path))
    for _ in range(100):
        book.open(*ALARMS[0], "evidence")
    assert len(store.calls) == 2
    AlarmBook(store, "spool", local=LocalAlarms(tmp_path / "other")).close(*ALARMS[0])
    now[0] += alarm_book.OPEN_REFRESH_S
    book.open(*ALARMS[0], "again")
    assert [alarm.closed_ms for alarm in book.all()] == [0]


def test_alarms_of_this_hosts_producers_are_carried_over_though_nothing_changes(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(alarm_book.time, "monotonic", lambda: now[0])
    book = AlarmBook(store, "spool", local=LocalAlarms(tmp_path))
    book.close(*ALARMS[0])
    LocalAlarms(tmp_path).open(*ALARMS[1], "by a producer")
    now[0] += alarm_book.SYNC_EVERY_S
    book.close(*ALARMS[0])
    assert key_of(ALARMS[1]) in store.objects
    assert LocalAlarms(tmp_path).all() == []
