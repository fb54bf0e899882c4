"""The drain where the spool does not just take a batch: events it refuses, logs that moved or are lost, backups."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from include.database import migrate
from include.database.connection import engine, transaction
from include.database.errors import DatabaseUnavailable
from include.database.tables import DEAD_LETTERS, OUTBOX, OUTBOX_BATCHES
from include.dead_letters.sql_letters import SqlDeadLetters
from include.dead_letters.ways_back import WAYS_BACK
from include.outbox import batches
from include.outbox.drain import DrainSummary, drain
from include.outbox.resync import ResyncPlan, resync
from include.outbox.write import put
from spool.archive.archive import Archive
from spool.audit.appended_ids import appended_ids
from spool.clock import Deadline
from spool.dead_letters.port import Decision, LetterFilter
from spool.errors import ProducerConflict, ProducerMoved
from spool.event import Event
from spool.format import record_batch
from spool.intake.client import SpoolClient
from spool.log.folder import log_folders
from spool.log.reader import tail
from spool.settings import Settings, StreamSettings
from spool.shipping.shipper import Shipper
from tests.fakes.memory_store import MemoryStore
from tests.support import mariadb
from tests.support.spool_host import ROOT, RecordedAlarms

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(mariadb.PROGRAM is None, reason="mariadb-server is not installed"),
]

STREAM = StreamSettings("events", "events", acknowledgement="disk", persistent=True)


def known(**stream: int) -> Settings:
    events = StreamSettings("events", "events", acknowledgement="disk", persistent=True, **stream)  # type: ignore[arg-type]
    return Settings(ROOT, "checkpoints", 1, "deliveries", 1, {"events": events})


class Outbox:
    """One database, one spool folder that can be moved and lost, one archive."""

    def __init__(self, database: Engine, folder: Path) -> None:
        self.database, self.folder, self.store = database, folder, MemoryStore()
        self.settings = known()

    def put(self, *values: str) -> None:
        for value in values:
            with transaction(self.database) as connection:
                event = Event(value.encode(), key=b"k", id=f"id-{value[:20]}")
                put(connection, STREAM, [event], source="test")

    def drain(self, **options: int) -> DrainSummary:
        with self.client() as client:
            summaries = drain(self.database, client, "here", deadline=Deadline.after(60), **options)
        return summaries.get("events", DrainSummary())

    def resync(self, *, dry_run: bool = False) -> ResyncPlan:
        archive = Archive(self.store, ROOT)
        with self.client() as client:
            return resync(
                self.database, client, "here", "events",
                lambda log, start, current: appended_ids(archive, self.folder, log, start, current), dry_run=dry_run,
            )  # fmt: skip

    def client(self) -> SpoolClient:
        return SpoolClient(self.folder, self.settings)

    def log(self) -> str:
        with self.client() as client:
            return client.log_of("events")

    def ship(self) -> None:
        Shipper(self.folder, self.settings, self.store, RecordedAlarms()).ship_once()

    def move_folder(self) -> None:
        """As a restored or cloned machine has it: the log of the old folder is continued by a new one."""
        target = self.folder.with_name(self.folder.name + "_copy")
        shutil.copytree(self.folder, target)
        shutil.rmtree(self.folder)
        self.folder = target

    def lose_folder(self) -> None:
        shutil.rmtree(self.folder)

    def backup(self) -> dict[str, list[dict[str, object]]]:
        with transaction(self.database) as connection:
            return {
                table.name: [dict(row._mapping) for row in connection.execute(select(table))]
                for table in (OUTBOX, OUTBOX_BATCHES)
            }

    def restore(self, backup: dict[str, list[dict[str, object]]]) -> None:
        with transaction(self.database) as connection:
            for table in (OUTBOX, OUTBOX_BATCHES):
                connection.execute(table.delete())
                if rows := backup[table.name]:
                    connection.execute(table.insert(), rows)

    def waiting(self) -> list[str]:
        with transaction(self.database) as connection:
            return [value.decode() for value in connection.scalars(select(OUTBOX.c.payload).order_by(OUTBOX.c.id))]

    def local(self) -> list[str]:
        """The payloads in this folder, by log in no particular order, by offset within one."""
        found = []
        for log in log_folders(self.folder):
            for commit in tail(log):
                found += [(record.value or b"").decode() for record in record_batch.records(commit.frame)]
        return found


@pytest.fixture(scope="module")
def server() -> Iterator[Engine]:
    with mariadb.mariadb() as connect:
        database = engine(connect)
        migrate.upgrade(database)
        yield database


@pytest.fixture
def outbox(server: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    monkeypatch.setattr(batches, "BATCH_EVENTS_MAX", 4)
    with server.begin() as connection:
        for table in (OUTBOX, OUTBOX_BATCHES, DEAD_LETTERS):
            connection.execute(table.delete())
    return Outbox(server, tmp_path / "spool")


LARGE = "x" * 5_000


@pytest.mark.parametrize("bad", [[0], [3], [7], [0, 1, 2, 3], [2, 5], [8], list(range(9))], ids=str)
def test_what_the_spool_refuses_becomes_a_dead_letter_and_never_stops_the_others(
    outbox: Outbox, bad: list[int]
) -> None:
    values = [f"{LARGE if number in bad else ''}{number}" for number in range(9)]
    outbox.put(*values)
    outbox.settings = known(event_bytes_max=1_000)
    done = outbox.drain()
    assert (done.error, done.events, done.refused) == (None, 9 - len(bad), len(bad))
    good = [value for number, value in enumerate(values) if number not in bad]
    assert outbox.local() == good
    assert outbox.waiting() == []
    letters = SqlDeadLetters(outbox.database, WAYS_BACK)
    listed = letters.list(LetterFilter("outbox", "open")).letters
    assert [letters.payload(letter.id).decode() for letter in listed] == [values[number] for number in bad]
    assert all("at most 1000 fit" in letter.reason for letter in listed)
    outbox.put("afterwards")
    assert outbox.drain().events == 1
    assert outbox.local() == [*good, "afterwards"]


def test_a_refused_event_is_requeued_once_the_stream_takes_it(outbox: Outbox) -> None:
    outbox.put(LARGE)
    outbox.settings = known(event_bytes_max=1_000)
    outbox.drain()
    outbox.settings = known()
    letters = SqlDeadLetters(outbox.database, WAYS_BACK)
    [letter] = letters.list(LetterFilter("outbox")).letters
    for _ in range(2):
        letters.requeue([letter.id], Decision("tester", "the limit was raised"), dry_run=False)
    assert outbox.drain().events == 1
    assert outbox.local() == [LARGE]


def test_a_batch_that_was_written_before_the_limit_was_lowered_is_not_written_again(outbox: Outbox) -> None:
    outbox.put("first", LARGE)
    backup = outbox.backup()
    with outbox.client() as client:
        first = drain(outbox.database, client, "here", deadline=Deadline.after(60))["events"]
    assert first.events == 2
    # As if the drain had died between its append and its delete.
    backup["outbox_batches"] = [{**outbox.backup()["outbox_batches"][0], "ids": ids_of(backup)}]
    outbox.restore(backup)
    outbox.settings = known(event_bytes_max=1_000)
    done = outbox.drain()
    assert (done.error, done.refused) == (None, 0)
    assert outbox.local() == ["first", LARGE]
    assert outbox.waiting() == []


def ids_of(backup: dict[str, list[dict[str, object]]]) -> bytes:
    return batches.encode_ids([int(str(row["id"])) for row in backup["outbox"]])


def test_a_moved_folder_goes_on_in_its_new_log(outbox: Outbox) -> None:
    outbox.put("1", "2")
    outbox.drain()
    before = outbox.log()
    outbox.move_folder()
    outbox.put("3")
    assert outbox.drain() == DrainSummary(events=1, batches=1)
    assert outbox.log() != before
    assert sorted(outbox.local()) == ["1", "2", "3"]


@pytest.mark.parametrize("database_too", [False, True])
def test_a_lost_folder_needs_a_resync_because_the_database_may_have_been_restored_with_it(
    outbox: Outbox, database_too: bool
) -> None:
    outbox.put("1")
    outbox.drain()
    outbox.put("2", "3")
    backup = outbox.backup()
    outbox.drain()
    outbox.ship()
    outbox.lose_folder()
    if database_too:
        outbox.restore(backup)
    outbox.put("4")
    error = outbox.drain().error
    assert isinstance(error, ProducerConflict)
    assert "resync --stream events" in error.hint
    assert outbox.resync().appended == (2 if database_too else 0)
    assert outbox.drain().events == 1
    assert outbox.local() == ["4"]


def under_way(outbox: Outbox) -> None:
    """A batch has its sequence and is not appended."""
    rows = batches.Batches(outbox.database, "events")
    with outbox.client() as client:
        rows.begin(rows.state(), client.last_of("events", "outbox/here/events"))
    assert rows.next() is not None


@pytest.mark.parametrize("earlier", [0, 2])
def test_a_folder_lost_with_a_batch_under_way_needs_a_resync_which_sends_what_is_nowhere(
    outbox: Outbox, earlier: int
) -> None:
    for number in range(earlier):
        outbox.put(f"earlier {number}")
        outbox.drain()
    outbox.ship()
    outbox.put("3")
    under_way(outbox)
    outbox.lose_folder()
    error = outbox.drain().error
    assert isinstance(error, ProducerConflict if earlier else ProducerMoved)
    assert "resync --stream events" in error.hint
    assert outbox.resync().appended == 0
    assert outbox.drain().error is None
    assert outbox.local() == ["3"]


def test_a_folder_lost_after_its_batch_was_shipped_needs_a_resync_which_sends_nothing_twice(outbox: Outbox) -> None:
    outbox.put("1", "2")
    outbox.drain()
    outbox.put("3", "4")
    backup = outbox.backup()
    outbox.drain()
    outbox.ship()
    last = outbox.backup()["outbox_batches"][0]
    backup["outbox_batches"][0].update(sequence=last["sequence"], ids=ids_of(backup))
    outbox.restore(backup)
    outbox.lose_folder()
    outbox.put("5")
    assert isinstance(outbox.drain().error, ProducerConflict)
    plan = outbox.resync(dry_run=True)
    assert (plan.waiting, plan.appended, plan.log_sequence) == (3, 2, 0)
    assert outbox.waiting() == ["3", "4", "5"], "a dry run changed something"
    outbox.resync()
    assert outbox.drain().events == 1
    assert outbox.local() == ["5"]


@pytest.mark.parametrize("shipped", [False, True])
def test_a_restored_database_needs_a_resync_which_sends_nothing_twice(outbox: Outbox, shipped: bool) -> None:
    outbox.put("1", "2")
    outbox.drain()
    outbox.put("3", "4", "5", "6", "7", "8", "9")
    backup = outbox.backup()
    outbox.drain()
    outbox.put("lost with the database")
    outbox.drain()
    if shipped:
        outbox.ship()
    outbox.restore(backup)
    outbox.put("new")
    error = outbox.drain().error
    assert isinstance(error, ProducerConflict)
    assert "resync --stream events" in error.hint
    plan = outbox.resync()
    assert (plan.waiting, plan.appended, plan.database_sequence, plan.log_sequence) == (8, 7, 2, 4)
    assert outbox.drain().events == 1
    assert outbox.local()[-1] == "new"
    with outbox.client() as client:
        assert client.last_of("events", "outbox/here/events").sequence == 5


def test_rows_with_one_event_id_are_counted_against_the_log(outbox: Outbox) -> None:
    outbox.put("same", "same")
    backup = outbox.backup()
    outbox.drain()
    outbox.restore(backup)
    outbox.put("same")
    assert isinstance(outbox.drain().error, ProducerConflict)
    assert outbox.resync().appended == 2
    assert outbox.drain().events == 1
    assert outbox.local() == ["same", "same", "same"]


def test_a_database_made_anew_is_not_taken_for_the_old_one(outbox: Outbox) -> None:
    outbox.put("1")
    outbox.drain()
    outbox.restore({"outbox": [], "outbox_batches": []})
    outbox.put("2")
    assert isinstance(outbox.drain().error, ProducerConflict)
    assert outbox.resync() == ResyncPlan("events", outbox.log(), 0, 1, 1, 0)
    outbox.drain()
    assert outbox.local() == ["1", "2"]


def test_a_resync_of_what_agrees_changes_nothing(outbox: Outbox) -> None:
    outbox.put("1", "2")
    outbox.drain()
    outbox.put("3")
    before = outbox.backup()
    assert outbox.resync().appended == 0
    assert outbox.backup() == before
    outbox.drain()
    assert outbox.local() == ["1", "2", "3"]


def test_another_name_of_the_installation_is_noticed(outbox: Outbox) -> None:
    outbox.put("1")
    outbox.drain()
    outbox.put("2")
    with outbox.client() as client:
        error = drain(outbox.database, client, "elsewhere", deadline=Deadline.after(60))["events"].error
    assert isinstance(error, ProducerConflict)
    assert "SPILLWAY_INSTALLATION" in error.hint
    assert outbox.drain().events == 1


def test_a_resync_waits_for_no_drain(outbox: Outbox) -> None:
    outbox.put("1")
    with batches.Batches(outbox.database, "events").alone() as alone:
        assert alone
        with pytest.raises(DatabaseUnavailable, match="at work"):
            outbox.resync()
        assert outbox.drain().is_busy
    assert outbox.drain().events == 1
