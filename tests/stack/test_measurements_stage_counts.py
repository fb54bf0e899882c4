"""The table stage_counts in a real MariaDB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from include.counts.check import CountsDiffer, check
from include.counts.ledger import StageLedger
from include.counts.stage_count import StageCount
from include.counts.table import StageCounts, send
from include.database import migrate
from include.database.connection import engine, transaction
from include.database.errors import DatabaseRefused
from include.database.tables import OUTBOX, OUTBOX_BATCHES, STAGE_COUNTS
from include.outbox.drain import drain
from spool import settings
from spool.clock import Deadline
from spool.errors import SettingsError
from tests.fakes.fake_spool_client import FakeSpoolClient
from tests.support import mariadb

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(mariadb.PROGRAM is None, reason="mariadb-server is not installed"),
]

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


@pytest.fixture(scope="module")
def database() -> Iterator[Engine]:
    with mariadb.mariadb() as connect:
        database = engine(connect)
        migrate.upgrade(database)
        yield database


@pytest.fixture
def table(database: Engine) -> StageCounts:
    with transaction(database) as connection:
        for emptied in (STAGE_COUNTS, OUTBOX, OUTBOX_BATCHES):
            connection.execute(emptied.delete())
    return StageCounts(database, settings.load())


def emitted(database: Engine) -> list[tuple[str, str, list[int]]]:
    """Stream, key and sums of what waits in the outbox."""
    columns = (OUTBOX.c.stream, OUTBOX.c.event_key, OUTBOX.c.payload)
    with transaction(database) as connection:
        rows = connection.execute(select(*columns).order_by(OUTBOX.c.id)).all()
    documents = [(stream, key.decode(), json.loads(payload)) for stream, key, payload in rows]
    names = ("count_in", "count_out", "quarantined", "errored")
    return [(stream, key, [document[name] for name in names]) for stream, key, document in documents]


def test_counts_are_sent_any_number_of_times_and_a_difference_is_named(table: StageCounts, tmp_path: Path) -> None:
    with StageLedger(tmp_path, "here") as ledger:
        ledger.take("f", "s", ["a", "b"], MONDAY)
        ledger.settle("f", "s", {"a": "out"})
        for _ in range(2):
            # The second row says that the counts were sent today, on which nothing was counted.
            assert send([ledger], table) == 2
        assert table.read(MONDAY, MONDAY) == [StageCount("f", "s", MONDAY, "here", 2, 1, 0, 0)]
        with pytest.raises(CountsDiffer, match=r"f\.s of here on 2026-11-23: in 2 != out 1"):
            check(table.read(MONDAY, TUESDAY))
        ledger.settle("f", "s", {"b": "quarantined"})
        send([ledger], table)
    assert check(table.read(MONDAY, TUESDAY)) == 1
    assert table.read(TUESDAY, TUESDAY) == []


def test_installations_and_days_have_rows_of_their_own(table: StageCounts) -> None:
    rows = [
        StageCount("g", "s", day, installation, 2**40, 2**40, 0, 0)
        for day in (MONDAY, TUESDAY)
        for installation in ("x", "y")
    ]
    assert table.put(rows) == 4
    assert table.put([]) == 0
    assert [row for row in table.read(MONDAY, TUESDAY) if row.feature == "g"] == rows


def count(count_in: int, count_out: int, stage: str = "s") -> StageCount:
    return StageCount("f", stage, MONDAY, "here", count_in, count_out, 0, 0)


def test_only_a_count_that_changes_is_emitted(table: StageCounts, database: Engine) -> None:
    table.put([count(2, 1), count(5, 5, stage="other")])
    table.put([count(2, 1), count(5, 5, stage="other")])
    table.put([count(2, 2), count(5, 5, stage="other")])
    assert emitted(database) == [
        ("events", "f/s/here/2026-11-23", [2, 1, 0, 0]),
        ("events", "f/other/here/2026-11-23", [5, 5, 0, 0]),
        ("events", "f/s/here/2026-11-23", [2, 2, 0, 0]),
    ]


def test_a_count_that_is_not_stored_is_not_emitted(table: StageCounts, database: Engine) -> None:
    with pytest.raises(DatabaseRefused):
        table.put([count(1, 1), count(-1, 0, stage="impossible")])
    assert table.read(MONDAY, MONDAY) == []
    assert emitted(database) == []


def test_a_count_that_cannot_be_emitted_is_not_stored(table: StageCounts, database: Engine) -> None:
    known = settings.load()
    without = replace(known, streams={name: stream for name, stream in known.streams.items() if name != "events"})
    with pytest.raises(SettingsError, match="events"):
        StageCounts(database, without).put([count(1, 1)])
    assert table.read(MONDAY, MONDAY) == []


def test_changes_of_counts_reach_the_spool_once(table: StageCounts, database: Engine) -> None:
    client = FakeSpoolClient()
    for sums in ((1, 0), (1, 1)):
        table.put([count(*sums)])
        for _ in range(2):
            assert drain(database, client, "here", deadline=Deadline.after(60)).keys() <= {"events"}
    assert [json.loads(event.value)["count_out"] for event in client.appended["events"]] == [0, 1]
    assert {event.type for event in client.appended["events"]} == {"stage_count.changed"}
