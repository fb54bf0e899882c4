"""Alarms and dead letters as they are shown: what is open first, what is much in few rows."""

from __future__ import annotations

from pathlib import Path

from spool.alarm import Alarm
from spool.audit.stats import stats
from spool.audit.status_sections import alarms_section, letters_section
from spool.dead_letters.letters import letter_key
from spool.event import Event, Position
from spool.intake.client import SpoolClient
from spool.log.folder import log_folders
from spool.shipping.shipper import Shipper
from tests.fakes.memory_store import Fault, MemoryStore
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.support.dead_letter_places import LOG, ROOT, SETTINGS, STREAM, StorePlace


def test_open_alarms_come_before_closed_ones_and_new_ones_before_old_ones() -> None:
    alarms = [
        Alarm("log_gap", "s/closed", "seen", 3000, 4000), Alarm("log_gap", "s/old", "seen", 1000),
        Alarm("log_gap", "s/new", "seen", 2000),
    ]  # fmt: skip
    rows = alarms_section(alarms).rows
    assert [(row["subject"], row["closed"]) for row in rows] == [
        ("s/new", None), ("s/old", None), ("s/closed", "1970-01-01T00:00:04.000Z"),
    ]  # fmt: skip


def test_letters_are_added_up_by_source_and_state_and_an_unreadable_one_is_among_them(tmp_path: Path) -> None:
    place = StorePlace(MemoryStore(), tmp_path)
    for number in (1, 2, 3):
        place.put(number, reason=f"10 TOO_LARGE {number}")
    place.store.objects[letter_key(ROOT, Position(STREAM, LOG, 9))] = place.store.objects[
        letter_key(ROOT, Position(STREAM, LOG, 1))
    ]
    open_ones, unreadable = letters_section("dead_letters", place.letters).rows
    assert (open_ones["source"], open_ones["state"], open_ones["letters"]) == (f"{STREAM}/{LOG}", "open", 3)
    assert open_ones["size_bytes"] == 3 * len(b"payload 1")
    assert str(open_ones["reason"]).startswith("10 TOO_LARGE")
    assert (unreadable["state"], unreadable["letters"], unreadable["oldest"]) == ("unreadable", 1, None)


def test_a_million_letters_cost_no_more_than_the_first_ones_and_that_is_said(tmp_path: Path) -> None:
    place = StorePlace(MemoryStore(), tmp_path)
    for number in range(5):
        place.put(number)
    taken = letters_section("dead_letters", place.letters, letters_max=3)
    assert [row["letters"] for row in taken.rows] == [3]
    assert taken.troubles == ("only the first 3 letters were looked at",)


def test_a_log_that_lies_on_this_host_and_in_the_archive_has_the_figures_of_both(tmp_path: Path) -> None:
    store = MemoryStore()
    with SpoolClient(tmp_path, SETTINGS) as client:
        client.append(STREAM, [Event(b"1"), Event(b"2")])
        before = stats(SETTINGS, tmp_path, store, None, []).rows[0]
        Shipper(tmp_path, SETTINGS, store, alarms=RecordedAlarms()).ship_once()
        client.append(STREAM, [Event(b"3")])
    assert (before.appended, before.archived, before.archived_objects) == (2, 0, 0)
    [log] = log_folders(tmp_path)
    alarm = Alarm("log_gap", f"{STREAM}/{log.log}", "seen", 1)
    found = stats(SETTINGS, tmp_path, store, None, [alarm, alarm._replace(closed_ms=2)])
    [row] = found.rows
    assert (row.stream, row.log, row.appended, row.archived, row.archived_objects) == (STREAM, log.log, 3, 2, 1)
    assert (row.delivered, row.waiting, row.alarms) == (None, None, 1)
    assert found.troubles == []


def test_an_archive_that_is_away_leaves_none_and_is_named(tmp_path: Path) -> None:
    with SpoolClient(tmp_path, SETTINGS) as client:
        client.append(STREAM, [Event(b"1")])
    store = MemoryStore()
    store.faults.append(Fault("*", "unavailable", times=1000))
    found = stats(SETTINGS, tmp_path, store, None, [])
    [row] = found.rows
    assert (row.appended, row.archived) == (1, None)
    assert len(found.troubles) == 1
    assert found.troubles[0].startswith("archive: StoreUnavailable")
