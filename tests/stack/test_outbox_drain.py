"""The outbox on a real MariaDB and a spool that remembers sequences: each committed event once, in order per key."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, select, text

from include.database import migrate
from include.database.connection import Connect, engine, transaction
from include.database.errors import DatabaseRefused, DatabaseUnavailable
from include.database.tables import OUTBOX, OUTBOX_BATCHES
from include.outbox import batches
from include.outbox import drain as draining
from include.outbox.__main__ import main
from include.outbox.drain import drain, failed
from include.outbox.write import put
from spool.clock import Deadline
from spool.command_line import ExitCode
from spool.errors import AppendUnknown, EventRefused, ProducerConflict, SpoolFull
from spool.event import Accepted, Event, OffsetRange, ProducerPosition, ProducerSequence
from spool.settings import StreamSettings
from tests.support import mariadb

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(mariadb.PROGRAM is None, reason="mariadb-server is not installed"),
]

STREAM = StreamSettings(name="events", topic="events")
OTHER = StreamSettings(name="others", topic="others")


class RememberingSpool:
    """The client's contract in memory: a sequence is written once; `fails` maps a stream to what it raises."""

    def __init__(self) -> None:
        self.units: dict[tuple[str, int], list[Event]] = {}
        self.events: list[Event] = []
        self.fails: dict[str, Exception] = {}
        self.fails_after: dict[str, Exception] = {}
        self._lock = threading.Lock()

    def log_of(self, stream: str) -> str:
        return f"log_{stream}"

    def last_of(self, stream: str, producer: str) -> ProducerPosition:
        return ProducerPosition(self.log_of(stream), self.last(producer), 0)

    def last(self, producer: str) -> int:
        return max((number for name, number in self.units if name == producer), default=0)

    def append_once(self, stream: str, events: Sequence[Event], sequence: ProducerSequence) -> Accepted:
        with self._lock:
            return self._append_once(stream, events, sequence)

    def _append_once(self, stream: str, events: Sequence[Event], sequence: ProducerSequence) -> Accepted:
        if stream in self.fails:
            raise self.fails[stream]
        assert sequence.log == self.log_of(stream)
        unit, last = (sequence.producer, sequence.sequence), self.last(sequence.producer)
        if sequence.sequence not in (last, last + 1):
            raise ProducerConflict(f"sequence {sequence.sequence} behind {last}", hint="")
        if unit not in self.units:
            self.units[unit] = list(events)
            self.events += events
        assert self.units[unit] == list(events), "the same sequence with other events"
        if stream in self.fails_after:
            raise self.fails_after.pop(stream)
        return Accepted(stream, sequence.log, (OffsetRange(0, len(events)),), "s3")


@pytest.fixture(scope="module")
def connect() -> Iterator[Connect]:
    with mariadb.mariadb() as connect:
        yield connect


@pytest.fixture(scope="module")
def server(connect: Connect) -> Engine:
    database = engine(connect)
    migrate.upgrade(database)
    return database


@pytest.fixture
def database(server: Engine) -> Engine:
    with server.begin() as connection:
        for table in (OUTBOX, OUTBOX_BATCHES):
            connection.execute(table.delete())
        connection.execute(text("CREATE TABLE IF NOT EXISTS changes (number INT PRIMARY KEY, key_name VARCHAR(20))"))
        connection.execute(text("DELETE FROM changes"))
    return server


@pytest.fixture
def spool() -> RememberingSpool:
    return RememberingSpool()


def put_one(database: Engine, number: int, key: str = "k", stream: StreamSettings = STREAM) -> None:
    with transaction(database) as connection:
        put(connection, stream, [Event(str(number).encode(), key=key.encode(), type="changed")], source="test")
        connection.execute(text("INSERT INTO changes VALUES (:number, :key)"), {"number": number, "key": key})


def drained(database: Engine, spool: RememberingSpool, **options: Any) -> dict[str, draining.DrainSummary]:
    return drain(database, spool, "here", deadline=Deadline.after(60), **options)


def left(database: Engine) -> int:
    with transaction(database) as connection:
        return connection.scalar(select(func.count()).select_from(OUTBOX)) or 0


def test_a_change_and_its_event_are_both_committed_or_neither(database: Engine, spool: RememberingSpool) -> None:
    put_one(database, 1)
    with pytest.raises(DatabaseRefused, match="Duplicate entry"):
        put_one(database, 1)
    assert drained(database, spool)["events"].events == 1
    assert [event.value for event in spool.events] == [b"1"]
    assert left(database) == 0


def test_an_event_arrives_with_all_its_parts(database: Engine, spool: RememberingSpool) -> None:
    extra = (("a", b"\xff"), ("ü", None))
    whole = Event(b"\x00\xff", b"\x00k", "id-\u2603", "changed.\u0444", "/\U0001f409", 1_700_000_000_123, extra)
    with transaction(database) as connection:
        put(connection, STREAM, [whole, Event(b"bare")], source="/default")
    drained(database, spool)
    assert spool.events[0] == whole
    assert spool.events[1].value == b"bare"
    assert spool.events[1].key is None
    assert spool.events[1].source == "/default"
    assert spool.events[1].id
    assert spool.events[1].time_ms > 0


def test_texts_survive_whatever_character_set_the_connections_are_opened_with(
    database: Engine, connect: Connect, spool: RememberingSpool
) -> None:
    def opened() -> Any:
        connection = connect()
        connection.set_character_set("latin1")
        return connection

    with transaction(engine(opened)) as connection:
        put(connection, STREAM, [Event(b"1", id="\u2603", type="\u0444")], source="\U0001f409")
    drained(database, spool)
    assert (spool.events[0].id, spool.events[0].type, spool.events[0].source) == ("\u2603", "\u0444", "\U0001f409")


def test_an_event_the_stream_would_refuse_ends_the_transaction(database: Engine, spool: RememberingSpool) -> None:
    with pytest.raises(EventRefused), transaction(database) as connection:
        put(connection, STREAM, [Event(b"fits"), Event(b"x" * (STREAM.event_bytes_max + 1))], source="test")
    assert left(database) == 0


@pytest.mark.parametrize("batch_events", [1, 7, 5000])
def test_batches_keep_the_order_and_lose_nothing(
    database: Engine, spool: RememberingSpool, monkeypatch: pytest.MonkeyPatch, batch_events: int
) -> None:
    monkeypatch.setattr(batches, "BATCH_EVENTS_MAX", batch_events)
    with transaction(database) as connection:
        put(connection, STREAM, [Event(b"%d" % number, key=b"k") for number in range(50)], source="test")
    assert drained(database, spool)["events"].events == 50
    assert [event.value for event in spool.events] == [b"%d" % number for number in range(50)]
    assert [sequence for _, sequence in spool.units] == list(range(1, len(spool.units) + 1))


def test_a_batch_stays_below_the_size_of_a_commit(database: Engine, spool: RememberingSpool) -> None:
    with transaction(database) as connection:
        put(connection, STREAM, [Event(b"x" * 800_000) for _ in range(12)], source="test")
    drained(database, spool)
    assert len(spool.events) == 12
    assert max(len(unit) for unit in spool.units.values()) == 5


def test_what_was_written_but_not_answered_is_written_once(database: Engine, spool: RememberingSpool) -> None:
    put_one(database, 1)
    spool.fails_after["events"] = AppendUnknown("the answer is lost", hint="")
    summary = drained(database, spool)
    assert isinstance(failed(summary)["events"], AppendUnknown)
    put_one(database, 2)
    assert failed(drained(database, spool)) == {}
    assert [event.value for event in spool.events] == [b"1", b"2"]
    assert left(database) == 0


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_stream_that_fails_keeps_it_to_itself(database: Engine, spool: RememberingSpool, bad: int) -> None:
    streams = [StreamSettings(name=name, topic=name) for name in ("a_first", "b_middle", "c_last")]
    for number, stream in enumerate(streams):
        put_one(database, number, stream=stream)
    spool.fails[streams[bad].name] = SpoolFull("full", hint="")
    summary = drained(database, spool)
    assert set(failed(summary)) == {streams[bad].name}
    assert [done.events for stream, done in summary.items() if stream != streams[bad].name] == [1, 1]
    spool.fails.clear()
    assert failed(drained(database, spool)) == {}
    assert len(spool.events) == 3


@pytest.mark.parametrize("lock_holds", [True, False])
def test_drains_at_once_append_each_event_once_even_where_their_lock_was_lost(
    database: Engine, spool: RememberingSpool, monkeypatch: pytest.MonkeyPatch, lock_holds: bool
) -> None:
    monkeypatch.setattr(batches, "BATCH_EVENTS_MAX", 10)
    if not lock_holds:
        monkeypatch.setattr(batches.Batches, "alone", lambda self: nullcontext(True))
    with transaction(database) as connection:
        put(connection, STREAM, [Event(b"%d" % number, key=b"k") for number in range(300)], source="test")
    errors: list[object] = []

    def run() -> None:
        while left(database):
            # A drain that meets the other's locks gives up; the next run goes on.
            errors.extend(error for error in failed(drained(database, spool)).values() if not _passes(error))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [event.value for event in spool.events] == [b"%d" % number for number in range(300)]


def _passes(error: object) -> bool:
    return isinstance(error, DatabaseUnavailable)


def test_events_of_one_key_come_in_the_order_in_which_transactions_commit(
    database: Engine, spool: RememberingSpool
) -> None:
    order: dict[str, list[bytes]] = {f"k{number}": [] for number in range(3)}

    def write(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(40):
            key = f"k{chance.randrange(3)}"
            value = f"{seed}-{number}".encode()
            with transaction(database) as connection:
                put(connection, STREAM, [Event(value, key=key.encode())], source="test")
                # The lane is locked until the commit, so nobody else can be between this note and it.
                order[key].append(value)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        drained(database, spool)
    drained(database, spool)
    for key, values in order.items():
        assert [event.value for event in spool.events if event.key == key.encode()] == values


def test_a_drain_stops_at_its_limit_and_the_next_goes_on(
    database: Engine, spool: RememberingSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_EVENTS_MAX", 10)
    with transaction(database) as connection:
        put(connection, STREAM, [Event(b"%d" % number) for number in range(35)], source="test")
    assert drained(database, spool, max_events=20)["events"].events == 20
    assert left(database) == 15
    assert drained(database, spool)["events"].events == 15


def test_a_drain_that_is_behind_changes_nothing_and_gets_what_is_under_way(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_EVENTS_MAX", 2)
    with transaction(database) as connection:
        put(connection, STREAM, [Event(b"%d" % number) for number in range(6)], source="test")
    rows = batches.Batches(database, "events")
    rows.state()
    behind = rows.next()
    assert behind is not None
    current = rows.settle(behind, 7, take_next=True)
    assert current is not None
    assert current.sequence == behind.sequence + 1
    assert rows.settle(behind, 3, take_next=True) == current
    assert rows.narrow(behind) == current
    assert rows.move(behind, "other") == current
    assert rows.refuse(behind, "why") == current
    assert rows.state().next_offset == 7
    assert left(database) == 4


def test_a_batch_stays_as_it_is_when_a_row_between_its_ids_is_committed_later(database: Engine) -> None:
    def put_keyless(connection: Connection, value: bytes) -> None:
        put(connection, STREAM, [Event(value)], source="test")

    rows = batches.Batches(database, "events")
    rows.state()
    with transaction(database) as late:
        for value in (b"first", b"last"):
            if value == b"last":
                put_keyless(late, b"between")
            with transaction(database) as connection:
                put_keyless(connection, value)
        given = rows.next()
    assert given is not None
    assert [event.value for event in given.events] == [b"first", b"last"]
    assert rows.under_way() == given
    following = rows.settle(given, 0, take_next=True)
    assert following is not None
    assert [event.value for event in following.events] == [b"between"]


def test_every_stream_gets_a_batch_although_the_time_is_over(database: Engine, spool: RememberingSpool) -> None:
    for stream in (STREAM, OTHER):
        put_one(database, 1 if stream is OTHER else 2, stream=stream)
    summaries = drain(database, spool, "here", deadline=Deadline.after(0))
    assert {stream: summary.events for stream, summary in summaries.items()} == {"events": 1, "others": 1}


@pytest.fixture
def command(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[dict[str, Any]]]]:
    """`python -m include.outbox` on this database and a spool folder of its own: exit code and rows."""
    monkeypatch.setenv("SPILLWAY_DATABASE_URI", mariadb.uri(connect))
    monkeypatch.setenv("SPILLWAY_INSTALLATION", "here")
    monkeypatch.setenv("SPOOL_FOLDER", str(tmp_path))
    monkeypatch.setenv("SPOOL_S3_BUCKET", "unused")

    def run(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
        code = main([*arguments, "--json"])
        printed = capsys.readouterr()
        return code, [json.loads(line) for line in (printed.out + printed.err).splitlines() if line.startswith("{")]

    return run


# A stream of config/spool.yml that is durable on disk: no object store is needed.
KNOWN = StreamSettings(name="measurements", topic="measurements")


def test_the_command_shows_what_waits_and_drains_it(
    database: Engine, command: Callable[..., tuple[int, list[dict[str, Any]]]]
) -> None:
    assert command("status") == (ExitCode.DONE, [])
    with transaction(database) as connection:
        put(connection, KNOWN, [Event(b"1", time_ms=1_700_000_000_000), Event(b"2")], source="test")
    row = {
        "stream": "measurements", "waiting": 2, "oldest": "2023-11-14T22:13:20.000Z", "under_way": 0, "sequence": 0,
        "log": "",
    }  # fmt: skip
    assert command("status") == (ExitCode.DONE, [row])
    assert command("drain", "--dry-run") == (ExitCode.DONE, [row])
    assert left(database) == 2
    done = {"stream": "measurements", "events": 2, "batches": 1, "refused": 0, "is_busy": False}
    assert command("drain") == (ExitCode.DONE, [done])
    code, (after,) = command("status")
    assert (code, after["waiting"], after["oldest"], after["sequence"]) == (ExitCode.DONE, 0, "", 1)
    assert after["log"]
    assert command("drain") == (ExitCode.DONE, [])


def test_the_command_names_a_stream_that_failed_and_drains_the_others(
    database: Engine, command: Callable[..., tuple[int, list[dict[str, Any]]]]
) -> None:
    for stream in (StreamSettings(name="a_removed_one", topic="gone"), KNOWN):
        put_one(database, 1 if stream is KNOWN else 2, stream=stream)
    code, rows = command("drain")
    assert code == ExitCode.FAILED
    assert [row["events"] for row in rows if "events" in row] == [0, 1]
    ((stream, error),) = [(row["stream"], row["error"]) for row in rows if "error" in row]
    assert (stream, error) == ("a_removed_one", "SettingsError")
    assert left(database) == 1
