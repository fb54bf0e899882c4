"""
The drain of the outbox killed at every step, on a real MariaDB and a real spool folder: each change's event once.

The database is away in turn, too: its connections are killed under the drain.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from include.database import migrate
from include.database.connection import engine, transaction
from include.database.errors import DatabaseUnavailable
from include.outbox import drain as draining
from include.outbox.drain import drain, failed
from include.outbox.write import put
from spool import failpoints
from spool.clock import Deadline
from spool.event import Event
from spool.format import record_batch
from spool.intake.client import SpoolClient
from spool.log.folder import log_folders
from spool.log.reader import tail
from spool.settings import Settings, StreamSettings
from tests.support import mariadb
from tests.support.killed_child import run_until_killed

pytestmark = [
    pytest.mark.crash,
    pytest.mark.stack,
    pytest.mark.skipif(mariadb.PROGRAM is None, reason="mariadb-server is not installed"),
]

STREAM = StreamSettings("events", "events", acknowledgement="disk", persistent=True)
SETTINGS = Settings("r", "checkpoints", 1, "deliveries", 1, {"events": STREAM})
CHANGES, KEYS, BATCH = 60, 3, 7
POINTS = [name for name in failpoints.NAMES if name.startswith(("outbox.", "log.append.", "log.producers."))]


@pytest.fixture(scope="module")
def server() -> Iterator[Engine]:
    with mariadb.mariadb() as connect:
        database = engine(connect)
        migrate.upgrade(database)
        yield database


@pytest.fixture
def database(server: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(draining, "BATCH_EVENTS_MAX", BATCH)
    with server.begin() as connection:
        connection.execute(text("DELETE FROM outbox"))
        connection.execute(text("DELETE FROM outbox_batches"))
    for number in range(CHANGES):
        with transaction(server) as connection:
            put(connection, STREAM, [Event(b"%d" % number, key=b"k%d" % (number % KEYS))], source="test")
    return server


def drained(database: Engine, folder: Path) -> None:
    with SpoolClient(folder, SETTINGS) as client:
        summaries = drain(database, client, "here", deadline=Deadline.after(60))
    for error in failed(summaries).values():
        raise error


def appended(folder: Path) -> list[tuple[bytes, bytes]]:
    (log,) = log_folders(folder)
    records = [record for commit in tail(log) for record in record_batch.records(commit.frame)]
    return [(record.key or b"", record.value or b"") for record in records]


def check(folder: Path) -> None:
    events = appended(folder)
    assert sorted(int(value) for _, value in events) == list(range(CHANGES))
    for key in {key for key, _ in events}:
        numbers = [int(value) for other, value in events if other == key]
        assert numbers == sorted(numbers), "events of one key are out of order"


def test_the_steps_of_the_drain_are_among_the_points() -> None:
    assert {"outbox.sequence_given", "outbox.appended", "outbox.settled", "log.append.noted"} <= set(POINTS)


@pytest.mark.parametrize("name", POINTS)
def test_every_event_is_appended_once_whenever_the_drain_dies(name: str, database: Engine, tmp_path: Path) -> None:
    kills = 0
    while kills < 20 and run_until_killed(lambda: drained(database, tmp_path), name):
        kills += 1
    assert kills >= 1
    drained(database, tmp_path)
    check(tmp_path)


@pytest.mark.parametrize("every", [2, 3, 5, 7])
def test_a_database_that_goes_away_at_any_statement_costs_no_event(
    database: Engine, tmp_path: Path, every: int
) -> None:
    statements = 0

    def lose_the_connection(connection: Connection, *_: object) -> None:
        nonlocal statements
        statements += 1
        if statements % every == 0:
            own = connection.connection.dbapi_connection.thread_id()  # type: ignore[union-attr]
            with database.connect() as other:
                other.execute(text(f"KILL {own}"))

    fragile = create_engine(database.url, creator=database.pool._creator, poolclass=NullPool)  # type: ignore[attr-defined]
    event.listen(fragile, "before_cursor_execute", lose_the_connection)
    lost = 0
    for _ in range(CHANGES):
        try:
            drained(fragile, tmp_path)
        except DatabaseUnavailable:
            lost += 1
    assert lost >= 1
    drained(database, tmp_path)
    check(tmp_path)
