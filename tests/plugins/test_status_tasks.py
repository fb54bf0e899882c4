"""Each section is taken and published by itself; the log of the task has the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.counts.stage_count import StageCount
from include.outbox.waiting import StreamWaiting
from plugins.connections import engine, kafka, mariadb
from plugins.tasks import status
from spool.alarm import Alarm
from spool.audit import stats as stats_room
from spool.audit.stats import Stats
from spool.dead_letters.port import Letter, Page
from spool.errors import StoreUnavailable, TransientError
from spool.status.board import Board
from spool.status.rows import LogRow
from tests.fakes.memory_store import MemoryStore


class DatabaseAway(TransientError):
    """MariaDB does not answer."""


class Book:
    alarms = (Alarm("log_gap", "orders/a1", "segment 3", 1000),)

    def all(self) -> list[Alarm]:
        return list(self.alarms)


class Letters:
    def __init__(self, *arguments: Any) -> None:
        pass

    def list(self, *arguments: Any, **options: Any) -> Page:
        return Page((Letter("mail/1", "mail", "no such mailbox", "open", 1000, 7),), "")


class Table:
    def read(self, since: object, through: Any) -> list[StageCount]:
        return [
            StageCount("f", "whole", through, "here", 3, 3, 0, 0),
            StageCount("f", "lost", through.replace(year=2000), "here", 3, 2, 0, 0),
        ]


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    monkeypatch.setenv("SPOOL_FOLDER", str(tmp_path))
    monkeypatch.setattr(status, "object_store", MemoryStore)
    monkeypatch.setattr(engine, "alarms", lambda store: Book())
    monkeypatch.setattr(kafka, "client_settings", dict)
    monkeypatch.setattr(stats_room, "stats", lambda *_: Stats([LogRow("orders", "a1", appended=5)], ["archive: away"]))
    monkeypatch.setattr("spool.dead_letters.store.StoreDeadLetters", Letters)
    monkeypatch.setattr("include.dead_letters.sql_letters.SqlDeadLetters", Letters)
    monkeypatch.setattr(mariadb, "database", lambda: None)
    monkeypatch.setattr("include.outbox.waiting.waiting", lambda _: [StreamWaiting("orders", 3, "", 0, 7, "a1")])
    monkeypatch.setattr(mariadb, "counts_table", Table)
    return Board(tmp_path)


def test_the_engine_publishes_logs_alarms_and_what_kafka_refused(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        assert status.publish_engine({}) == {"logs": 1, "alarms": 1, "dead_letters": 1}
    published = {section.name: section for section in board.sections()}
    assert published["logs"].rows[0]["appended"] == 5
    assert published["logs"].troubles == ("archive: away",)
    assert published["alarms"].rows[0]["condition"] == "log_gap"
    assert published["dead_letters"].rows[0]["letters"] == 1
    for shown in ("orders", "log_gap", "no such mailbox", "archive: away"):
        assert shown in caplog.text


def test_the_database_publishes_counts_with_differences_first_and_what_features_left(board: Board) -> None:
    assert status.publish_database({}) == {"counts": 2, "feature_dead_letters": 1, "outbox": 1}
    counts = board.read("counts")
    assert counts is not None
    assert [(row["stage"], row["difference"]) for row in counts.rows] == [("lost", 1), ("whole", 0)]
    outbox = board.read("outbox")
    assert outbox is not None
    assert outbox.rows[0]["waiting"] == 3
    letters = board.read("feature_dead_letters")
    assert letters is not None
    assert letters.rows[0]["source"] == "mail"


def test_a_neighbour_that_is_away_hides_no_other_section_and_fails_the_task(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    status.publish_engine({})
    status.publish_database({})

    def away(*_: object) -> None:
        raise StoreUnavailable("no answer", hint="wait")

    def database_away() -> None:
        raise DatabaseAway("no answer", hint="wait")

    monkeypatch.setattr(stats_room, "stats", away)
    monkeypatch.setattr(mariadb, "counts_table", database_away)
    monkeypatch.setattr(Book, "alarms", ())
    with pytest.raises(StoreUnavailable):
        status.publish_engine({})
    with pytest.raises(DatabaseAway):
        status.publish_database({})
    published = {section.name: section for section in board.sections()}
    assert published["logs"].rows[0]["appended"] == 5
    assert published["logs"].troubles == ("StoreUnavailable: no answer",)
    assert published["alarms"].rows == ()
    assert published["counts"].troubles == ("DatabaseAway: no answer",)
    assert published["feature_dead_letters"].troubles == ()
