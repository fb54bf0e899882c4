"""
The drain of the outbox killed at every step, the database and the object store away in turn: each event once in Kafka.

MariaDB and the broker are real. The series kills 20 times at each step (3 times at some, in `make test`), and meanwhile
changes are committed that emit events, some of which the spool refuses.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.pool import NullPool

from include.database import migrate
from include.database.connection import engine, transaction
from include.database.errors import DatabaseUnavailable
from include.database.tables import DEAD_LETTERS, OUTBOX, OUTBOX_BATCHES
from include.outbox import batches
from include.outbox.drain import drain, failed
from include.outbox.write import put
from spool import failpoints
from spool.clock import Deadline
from spool.errors import AppendUnknown
from spool.event import Event
from spool.format import record_batch
from spool.intake.client import SpoolClient
from spool.log.folder import log_folders
from spool.log.reader import tail
from spool.settings import Settings, StreamSettings
from tests.fakes.memory_store import Fault, MemoryStore
from tests.support import mariadb
from tests.support.killed_child import run_until_killed
from tests.support.private_kafka import KafkaBroker
from tests.support.replay_world import World
from tests.support.series import is_whole, some
from tests.support.spool_host import ROOT, archived

pytestmark = [
    pytest.mark.crash,
    pytest.mark.stack,
    pytest.mark.skipif(mariadb.PROGRAM is None, reason="mariadb-server is not installed"),
]

KEYS, BATCH, LIMIT_BYTES = 3, 2, 2_000
KILLS = 20 if is_whole() else 3
POINTS = [name for name in failpoints.NAMES if name.startswith(("outbox.", "log.append.", "log.producers."))]
# Passed once in a series, with the work at which it is passed.
MET_ONCE = {
    "outbox.moved": "a batch is under way when the folder is copied",
    "log.producers.written": "the first batch of a log",
}


class Changes:
    """What was committed: number n has the key n % 3; every seventh event is larger than the spool takes by now."""

    def __init__(self, database: Engine, world: World) -> None:
        self.database, self.world, self.count = database, world, 0
        self.settings = replace(
            world.settings, streams={world.name: replace(world.stream, event_bytes_max=LIMIT_BYTES)}
        )

    def commit(self, number: int) -> None:
        for n in range(self.count, self.count + number):
            pad = "x" * 5_000 if n % 7 == 6 else ""
            value = json.dumps({"key": f"k{n % KEYS}", "sequence": n, "pad": pad}).encode()
            with transaction(self.database) as connection:
                put(connection, self.world.stream, [Event(value, key=b"k%d" % (n % KEYS))], source="test")
        self.count += number

    def drain(self, database: Engine | None = None) -> None:
        with SpoolClient(self.world.spool_folder, self.settings) as client:
            summaries = drain(database or self.database, client, "here", deadline=Deadline.after(60))
        for error in failed(summaries).values():
            raise error

    def accepted(self) -> list[int]:
        return [n for n in range(self.count) if n % 7 != 6]

    def appended(self) -> list[int]:
        """The numbers in this folder, in the order of each log."""
        found = []
        for log in log_folders(self.world.spool_folder):
            for commit in tail(log):
                found += [_number(record.value or b"") for record in record_batch.records(commit.frame)]
        return found

    def refused(self) -> list[int]:
        with transaction(self.database) as connection:
            return sorted(_number(payload) for payload in connection.scalars(select(DEAD_LETTERS.c.payload)))

    def check(self) -> None:
        """Each event is in the log or among the dead letters, once; those of one key are in order."""
        numbers = self.appended()
        assert sorted(numbers) == self.accepted()
        assert self.refused() == [n for n in range(self.count) if n % 7 == 6]
        for key in range(KEYS):
            of_key = [n for n in numbers if n % KEYS == key]
            assert of_key == sorted(of_key), "events of one key are out of order"


def _number(payload: bytes) -> int:
    return int(json.loads(payload)["sequence"])


@pytest.fixture(scope="module")
def server() -> Iterator[Engine]:
    with mariadb.mariadb() as connect:
        database = engine(connect)
        migrate.upgrade(database)
        yield database


@pytest.fixture
def database(server: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(batches, "BATCH_EVENTS_MAX", BATCH)
    with server.begin() as connection:
        for table in (OUTBOX, OUTBOX_BATCHES, DEAD_LETTERS):
            connection.execute(table.delete())
    return server


@pytest.fixture
def changes(database: Engine, kafka_broker: KafkaBroker, tmp_path: Path) -> Changes:
    return Changes(database, World(tmp_path, kafka_broker.bootstrap))


def test_the_steps_of_the_drain_are_among_the_points() -> None:
    steps = {"sequence_given", "appended", "settled", "narrowed", "refused", "moved"}
    assert {*(f"outbox.{step}" for step in steps), "log.append.noted", *MET_ONCE} <= set(POINTS)


@pytest.mark.series
def test_each_change_is_in_kafka_once_and_in_order_through_kills_at_every_step(changes: Changes) -> None:
    for name in some([point for point in POINTS if point not in MET_ONCE]):
        kills = tries = 0
        while kills < KILLS:
            changes.commit(4)
            kills += run_until_killed(changes.drain, name)
            tries += 1
            assert tries <= 3 * KILLS, f"{name} is almost never passed"
        changes.drain()
        changes.check()
    changes.world.ship()
    changes.world.drain()
    _check_kafka(changes)


def _check_kafka(changes: Changes) -> None:
    delivered = [(seen.partition, seen.offset, _number(seen.payload)) for seen in changes.world.seen()]
    assert sorted(number for *_, number in delivered) == changes.accepted()
    for key in range(KEYS):
        of_key = sorted((offset, number) for _, offset, number in delivered if number % KEYS == key)
        assert [number for _, number in of_key] == sorted(number for _, number in of_key)


@pytest.mark.parametrize("name", sorted(MET_ONCE))
def test_a_kill_at_a_step_that_is_passed_once_costs_nothing(name: str, changes: Changes) -> None:
    changes.commit(20)
    if name == "outbox.moved":
        assert run_until_killed(changes.drain, "log.append.locked", at_pass=3)
        changes.world.spool_folder = _copied(changes.world.spool_folder)
    assert run_until_killed(changes.drain, name)
    changes.drain()
    assert sorted(changes.appended()) == changes.accepted()


def _copied(folder: Path) -> Path:
    """As a cloned machine has it: the logs are continued by new ones."""
    target = folder.with_name("copy")
    shutil.copytree(folder, target)
    return target


@pytest.mark.parametrize("every", [2, 3, 5, 7, 11])
def test_a_database_that_goes_away_at_any_statement_costs_no_event(changes: Changes, every: int) -> None:
    database, statements = changes.database, 0

    def lose_the_connection(connection: Connection, *_: object) -> None:
        nonlocal statements
        statements += 1
        if statements % every == 0:
            own = connection.connection.dbapi_connection.thread_id()  # type: ignore[union-attr]
            with database.connect() as other:
                other.execute(text(f"KILL {own}"))

    fragile = create_engine(database.url, creator=database.pool._creator, poolclass=NullPool)  # type: ignore[attr-defined]
    event.listen(fragile, "before_cursor_execute", lose_the_connection)
    changes.commit(20)
    lost = 0
    for _ in range(20):
        try:
            changes.drain(fragile)
        except DatabaseUnavailable:
            lost += 1
    assert lost >= 1
    changes.drain()
    changes.check()


def test_an_object_store_that_is_away_in_turn_costs_no_event(changes: Changes, tmp_path: Path) -> None:
    waits = StreamSettings("events", "events", 3, "s3", persistent=True, seal_gap_s=0.001)
    settings, store, unknown = Settings(ROOT, "c", 1, "d", 1, {"events": waits}), MemoryStore(), 0
    with transaction(changes.database) as connection:
        put(connection, waits, [Event(b"%d" % n, key=b"k") for n in range(20)], source="test")
    for turn in range(20):
        if turn % 2 == 0:
            # Nothing is put; or the answer to a put is lost, and it is refused when it is tried again.
            store.faults += [Fault("put_if_absent", kind) for kind in ("lose_answer", "refused")[turn // 2 % 2 :]]
        with SpoolClient(tmp_path / "s3", settings, store=lambda: store) as client:
            errors = failed(drain(changes.database, client, "here", deadline=Deadline.after(60), max_events=BATCH))
        if errors:
            assert isinstance(errors["events"], AppendUnknown)
            unknown += 1
    assert unknown >= 5
    with transaction(changes.database) as connection:
        assert connection.scalars(select(OUTBOX.c.id)).all() == []
    delivered = sorted(archived(store), key=lambda one: one.offset)
    assert [one.value for one in delivered] == [b"%d" % n for n in range(20)]
