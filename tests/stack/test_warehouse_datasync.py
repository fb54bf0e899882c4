"""Changes of published tables in the stream `datasync`: each once, and enough to have the same table elsewhere."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from include.common.event_type import FeatureEvent
from include.warehouse.changes.server import address_of
from include.warehouse.changes.status import positions
from include.warehouse.config import Table
from include.warehouse.datasync import journaled_target
from include.warehouse.datasync.journal import TableJournal
from include.warehouse.errors import TableRefused
from include.warehouse.snapshot.pipeline import TableCopied
from include.warehouse.snapshot.units import each_unit
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.sync import Outcome, Sync, reconcile_unit, sync_unit
from include.warehouse.target.duckdb_target import DuckdbTarget
from spool.errors import ProducerConflict, ProducerMoved, SettingsError, SpoolFull, StoreUnavailable
from spool.event import Accepted, Event, ProducerPosition, ProducerSequence
from spool.intake.client import SpoolClient
from spool.shipping.shipper import Shipper
from tests.fakes.memory_store import Fault, MemoryStore
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.support.datasync import (
    SETTINGS,
    Replay,
    changes,
    client,
    epochs,
    partition_after_partition,
    stream_events,
    warehouse_rows,
)
from tests.support.mariadb import Server
from tests.support.spool_host import archived
from tests.support.warehouse import SourceDatabase, config_of

SNAPSHOT = "20261125T090000Z"
PUBLISHED = Table(mode="log", publish=True)
INSTALLATIONS = ["berlin", "lisbon", "madrid"]


class World:
    """One database for each installation, a warehouse and a spool folder."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.databases = {name: SourceDatabase(server) for name in INSTALLATIONS}
        self.spool_folder, self.warehouse = folder / "spool", folder / "warehouse"
        self.spool: Spool = client(self.spool_folder)
        self.settings = PUBLISHED
        self.emitted: list[FeatureEvent] = []

    @property
    def berlin(self) -> SourceDatabase:
        return self.databases["berlin"]

    def sync(self, *, full: bool = False) -> Sync:
        config = config_of(INSTALLATIONS, {"t": self.settings}, self.warehouse)
        return Sync(
            config,
            lambda name: self.databases[name].connect,
            lambda: DuckdbTarget(self.warehouse, memory_mb=256),
            SNAPSHOT,
            emit=self.emitted.append,
            full=full,
            address_of=lambda name: address_of(self.databases[name].url),
            open_spool=lambda: self.spool,
        )

    def synced(self, *, full: bool = False) -> Outcome:
        sync = self.sync(full=full)
        (outcome,) = sync_unit(sync, sync.config.units("berlin")[0])
        return outcome

    def reconciled(self) -> Outcome:
        sync = self.sync()
        (outcome,) = reconcile_unit(sync, sync.config.units("berlin")[0])
        return outcome

    def demand_same_table_elsewhere(self) -> None:
        events = stream_events(self.spool_folder)
        expected = warehouse_rows(self.warehouse, "berlin", "t")
        assert Replay(events).rows("berlin", "t") == expected
        assert Replay(partition_after_partition(events)).rows("berlin", "t") == expected

    def waiting(self) -> int:
        sync, target = self.sync(), DuckdbTarget(self.warehouse, memory_mb=256)
        with SnapshotTransaction(self.berlin.connect) as source:
            (position,) = positions(sync.config, sync.config.units("berlin")[0], source, target)
        target.close()
        assert position.published
        return position.waiting

    def drop(self) -> None:
        for database in self.databases.values():
            database.drop()


class FullOnce:
    """A spool that is full when batch `at` of a run comes."""

    def __init__(self, spool: SpoolClient, at: int = 1) -> None:
        self._spool, self._left = spool, at

    def append_once(self, stream: str, events: Sequence[Event], sequence: ProducerSequence) -> Accepted:
        self._left -= 1
        if self._left == 0:
            raise SpoolFull("no space", hint="ship")
        return self._spool.append_once(stream, events, sequence)

    def last_of(self, stream: str, producer: str) -> ProducerPosition:
        return self._spool.last_of(stream, producer)


Spool = SpoolClient | FullOnce


@pytest.fixture
def world(mariadb_source: Server, tmp_path: Path) -> Iterator[World]:
    made = World(mariadb_source, tmp_path)
    yield made
    made.drop()


@pytest.fixture
def small(world: World) -> World:
    """`t` of berlin has the rows (1, one) and (2, two), and is in the warehouse and in the stream."""
    world.berlin.execute("CREATE TABLE t (id INT PRIMARY KEY, c VARCHAR(20))")
    world.berlin.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    world.synced()
    return world


def test_a_whole_copy_opens_an_epoch_with_the_columns_and_its_rows_follow(small: World) -> None:
    first, *rows = (event.payload for event in stream_events(small.spool_folder))
    assert (first["installation"], first["table"], first["rows"]) == ("berlin", "t", 2)
    assert first["primary_key"] == ["id"]
    assert [(column["name"], column["mariadb"]) for column in first["columns"]] == [
        ("id", "int(11)"),
        ("c", "varchar(20)"),
    ]
    assert [(row["operation"], row["epoch"], row["after"]) for row in rows] == [
        ("snapshot", first["epoch"], {"id": "1", "c": "one"}),
        ("snapshot", first["epoch"], {"id": "2", "c": "two"}),
    ]


def test_each_change_is_an_event_with_the_row_before_and_after_and_a_rerun_adds_none(small: World) -> None:
    small.berlin.execute("INSERT INTO t VALUES (3, '')")
    small.berlin.execute("UPDATE t SET c = NULL WHERE id = 1")
    small.berlin.execute("DELETE FROM t WHERE id = 2")
    outcome = small.synced()
    seen = {change["primary_key"][0]: change for change in changes(small.spool_folder)}
    assert {key: (one["operation"], one.get("before"), one.get("after")) for key, one in seen.items()} == {
        "1": ("update", {"id": "1", "c": "one"}, {"id": "1", "c": None}),
        "2": ("delete", {"id": "2", "c": "two"}, None),
        "3": ("insert", None, {"id": "3", "c": ""}),
    }
    assert {(one["gtid"], one["taken_at"], one["version"]) for one in seen.values()} == {
        (outcome.gtid, outcome.taken_at, 1)
    }
    keys = {event.key for event in stream_events(small.spool_folder)}
    assert keys >= {b'["berlin","t","3"]', b'["berlin","t"]'}
    for _ in range(2):
        small.synced()
        small.reconciled()
    assert len(changes(small.spool_folder)) == 3
    assert len(epochs(small.spool_folder)) == 1


def test_the_stream_replayed_into_a_fresh_duckdb_gives_the_table_after_whatever_happened(world: World) -> None:
    world.berlin.execute("CREATE TABLE parents (id INT PRIMARY KEY)")
    world.berlin.execute("INSERT INTO parents VALUES (1), (2)")
    world.berlin.execute(
        "CREATE TABLE t (id BIGINT UNSIGNED, at DATETIME(2), name TEXT, amount DECIMAL(20,4), ratio FLOAT,"
        " factor DOUBLE, seen TIMESTAMP(6) NULL, day DATE, raw VARBINARY(9), flag BIT(1), bits BIT(9),"
        " span TIME(3), born YEAR, kind ENUM('a','b'), id2 UUID, parent INT, PRIMARY KEY (id, at),"
        " FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE)"
    )
    chance = random.Random(5)

    def change() -> None:
        number = chance.randrange(40)
        key = f"id = 18446744073709551{number:03d}"
        world.berlin.execute(
            chance.choice([
                f"REPLACE INTO t VALUES (18446744073709551{number:03d}, '2026-01-02 03:04:05.{number % 10}0',"
                " 'ü \"q\", \\n😀', -0.5, 0.1, 1e300, '2026-02-03 04:05:06.120000', '1999-12-31', x'00FF', 1, 257,"
                " '-800:00:00.5', 1999, 'b', UUID(), 1)",
                "REPLACE INTO t (id, at, name, raw, parent)"
                f" VALUES (18446744073709551{number:03d}, '2026-01-01', '', '', 2)",
                f"UPDATE t SET name = NULL, amount = 12345678901234.5, ratio = 1e-20, flag = 0 WHERE {key}",
                f"UPDATE t SET at = at + INTERVAL 1 DAY WHERE {key}",
                f"DELETE FROM t WHERE {key}",
            ])
        )  # fmt: skip

    for step in (
        "DELETE FROM t WHERE id = 0",
        "DELETE FROM parents WHERE id = 2",
        "UPDATE t SET seen = '2026-03-04 05:06:07.5'",
        "TRUNCATE TABLE t",
        "ALTER TABLE t ADD COLUMN more INT DEFAULT 7",
    ):
        for _ in range(25):
            change()
        world.synced()
        world.berlin.execute(step)
        world.synced()
        world.reconciled()
        world.demand_same_table_elsewhere()
        world.berlin.execute("INSERT IGNORE INTO parents VALUES (2)")
    operations = {change["operation"] for change in changes(world.spool_folder)}
    assert operations == {"insert", "update", "delete"}
    count = len(stream_events(world.spool_folder))
    world.synced()
    world.reconciled()
    assert len(stream_events(world.spool_folder)) == count


def test_rows_that_a_watermark_reads_again_are_no_changes(world: World) -> None:
    world.settings = Table(mode="watermark", watermark_column="at", publish=True)
    world.berlin.execute("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME(3), f FLOAT, d DECIMAL(9,3), b BLOB)")
    world.berlin.execute(
        "INSERT INTO t VALUES (1, '2026-01-01 00:00:00.100', 1.1, 1.5, ''), (2, '2026-01-01', 0, 0, 'x')"
    )
    world.synced()
    for _ in range(2):
        assert not isinstance(world.synced(), TableCopied)
    assert changes(world.spool_folder) == []
    world.berlin.execute("UPDATE t SET f = 1e20, at = '2026-01-01 00:01:00.500' WHERE id = 1")
    world.synced()
    (change,) = changes(world.spool_folder)
    assert (change["operation"], change["after"]["at"]) == ("update", "2026-01-01 00:01:00.500")
    world.demand_same_table_elsewhere()


def test_tables_that_are_copied_whole_each_time_are_an_epoch_each_time(world: World) -> None:
    world.settings = Table(publish=True)
    world.berlin.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    world.berlin.execute("INSERT INTO t VALUES (1), (2)")
    world.synced()
    world.berlin.execute("DELETE FROM t WHERE id = 1")
    world.synced()
    first, second = epochs(world.spool_folder)
    assert first < second
    world.demand_same_table_elsewhere()


def test_a_snapshot_that_is_older_than_the_current_one_is_not_published(small: World) -> None:
    small.berlin.execute("INSERT INTO t VALUES (3, 'three')")
    sync = small.sync(full=True)._replace(snapshot="20251125T090000Z")
    sync_unit(sync, sync.config.units("berlin")[0])
    assert len(epochs(small.spool_folder)) == 1
    assert not isinstance(small.synced(), TableCopied), "the current one is followed as before"
    small.demand_same_table_elsewhere()


@pytest.mark.parametrize("at", [1, 2])
def test_what_a_full_spool_refused_waits_in_the_journal_and_comes_first_when_there_is_room(
    small: World, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journaled_target, "BATCH_EVENTS", 3)
    room = small.spool
    assert isinstance(room, SpoolClient)
    small.spool = FullOnce(room, at)
    small.berlin.execute("INSERT INTO t SELECT seq, 'new' FROM seq_11_to_18")
    small.emitted.clear()
    with pytest.raises(SpoolFull):
        small.synced()
    assert [event.type for event in small.emitted] == ["warehouse.changes_merged"], "the warehouse has the rows"
    assert len(warehouse_rows(small.warehouse, "berlin", "t")) == 10
    assert small.waiting() == 8
    small.spool = room
    small.berlin.execute("UPDATE t SET c = 'newer' WHERE id = 11")
    small.synced()
    of_row = [change["operation"] for change in changes(small.spool_folder) if change["primary_key"] == ["11"]]
    assert of_row == ["insert", "update"]
    assert len(changes(small.spool_folder)) == 9
    assert small.waiting() == 0
    small.demand_same_table_elsewhere()


def test_while_the_object_store_is_away_changes_only_wait_and_then_are_in_the_archive_once(small: World) -> None:
    store = MemoryStore()
    shipper = Shipper(small.spool_folder, SETTINGS, store, RecordedAlarms())
    store.faults.append(Fault("put_if_absent", "unavailable", times=1000))
    small.berlin.execute("UPDATE t SET c = 'seen'")
    small.synced()
    with pytest.raises(StoreUnavailable):
        shipper.ship_once()
    store.faults.clear()
    small.synced()
    shipper.ship_once(seal_all=True)
    assert len(archived(store)) == 5, "an epoch with two rows, and two changes"


@pytest.mark.parametrize("broken", INSTALLATIONS)
def test_one_installation_that_fails_does_not_keep_the_changes_of_the_others(world: World, broken: str) -> None:
    for name, database in world.databases.items():
        if name != broken:
            database.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT)")
            database.execute("INSERT INTO t VALUES (1, 1)")
    for number in range(2):
        sync = world.sync()
        results = each_unit(sync.config.units(), lambda unit, sync=sync: sync_unit(sync, unit))  # type: ignore[misc]
        assert [result.unit.installation for result in results if result.error is not None] == [broken]
        for name, database in world.databases.items():
            if name != broken:
                database.execute(f"INSERT INTO t VALUES ({number + 2}, 1)")
    found = stream_events(world.spool_folder)
    others = [name for name in INSTALLATIONS if name != broken]
    assert {event.payload["installation"] for event in found} == set(others)
    for name in others:
        assert Replay(found).rows(name, "t") == [(1, 1), (2, 1)]


def test_a_warehouse_that_changed_without_the_stream_is_copied_whole(small: World) -> None:
    small.settings = Table(mode="log")
    small.berlin.execute("INSERT INTO t VALUES (3, 'missed')")
    small.synced()
    small.settings = PUBLISHED
    outcome = small.synced()
    assert isinstance(outcome, TableCopied)
    assert outcome.because == "the stream does not hold what the warehouse holds"
    small.demand_same_table_elsewhere()


def test_a_log_that_was_lost_with_batches_is_refused_and_a_full_sync_begins_again(small: World, tmp_path: Path) -> None:
    room = small.spool
    assert isinstance(room, SpoolClient)
    small.spool = FullOnce(room)
    small.berlin.execute("INSERT INTO t VALUES (3, 'three')")
    with pytest.raises(SpoolFull):
        small.synced()
    room.close()
    small.spool_folder.rename(tmp_path / "lost")
    small.spool = client(small.spool_folder)
    with pytest.raises((ProducerConflict, ProducerMoved)) as refused:
        small.synced()
    assert "sync --full" in refused.value.hint
    small.synced(full=True)
    small.demand_same_table_elsewhere()
    small.berlin.execute("INSERT INTO t VALUES (4, 'four')")
    small.synced()
    small.demand_same_table_elsewhere()


def test_a_row_too_large_for_an_event_is_named_without_its_values(small: World) -> None:
    small.berlin.execute("ALTER TABLE t MODIFY c LONGTEXT")
    small.berlin.execute("INSERT INTO t VALUES (3, REPEAT('x', 500000)), (4, REPEAT('x', 1000000))")
    small.synced()
    small.berlin.execute("UPDATE t SET c = CONCAT(c, 'y') WHERE id >= 3")
    small.synced()
    left_out = {change["primary_key"][0]: change.get("left_out") for change in changes(small.spool_folder)}
    assert left_out == {"3": ["before"], "4": ["before", "after"]}


def test_without_a_spool_folder_only_published_tables_are_refused(world: World) -> None:
    world.berlin.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    sync = world.sync()
    (unit, *_) = sync.config.units("berlin")
    by_hand = Sync(sync.config, sync.connect_to, sync.open_target, SNAPSHOT, address_of=sync.address_of)
    with pytest.raises(SettingsError, match="published"):
        sync_unit(by_hand, unit)
    world.settings = Table(mode="log")
    sync_unit(by_hand._replace(config=world.sync().config), unit)


def test_a_published_table_needs_a_primary_key(world: World) -> None:
    world.settings = Table(publish=True)
    world.berlin.execute("CREATE TABLE t (c INT)")
    with pytest.raises(TableRefused, match="no primary key"):
        world.synced()


def test_rows_that_no_journal_names_are_removed(small: World) -> None:
    journal = TableJournal(small.warehouse / "datasync", "berlin", "t")
    journal.open()
    with journal.new_rows() as file:
        file.write(b"left behind")
    journal.close()
    left = Path(file.name)
    assert left.exists()
    small.synced()
    assert not left.exists()
