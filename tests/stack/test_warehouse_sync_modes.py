"""Units brought up to date by their mode; whole copies where changes do not do; one that fails stops no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from include.common.event_type import FeatureEvent
from include.warehouse.changes import binlog_keys
from include.warehouse.changes.server import address_of
from include.warehouse.changes.table_changed import TableChanged
from include.warehouse.config import Table
from include.warehouse.snapshot.pipeline import TableCopied
from include.warehouse.snapshot.units import each_unit
from include.warehouse.sync import Sync, reconcile_unit, sync_unit
from include.warehouse.target.duckdb_target import DuckdbTarget
from tests.support.mariadb import Server
from tests.support.warehouse import SourceDatabase, config_of

SNAPSHOT = "20261125T090000Z"
INSTALLATIONS = ["berlin", "lisbon", "madrid"]


@pytest.fixture
def databases(mariadb_source: Server) -> Iterator[dict[str, SourceDatabase]]:
    made = {name: SourceDatabase(mariadb_source) for name in INSTALLATIONS}
    for database in made.values():
        database.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT)")
        database.execute("INSERT INTO t VALUES (1, 1)")
    yield made
    for database in made.values():
        database.drop()


def sync_of(databases: dict[str, SourceDatabase], folder: Path, emitted: list[FeatureEvent], table: Table) -> Sync:
    return Sync(
        config_of(list(databases), {"t": table}),
        lambda name: databases[name].connect,
        lambda: DuckdbTarget(folder, memory_mb=256),
        SNAPSHOT,
        emit=emitted.append,
        address_of=lambda name: address_of(databases[name].url),
    )


def test_a_table_that_follows_the_log_is_copied_whole_first_and_then_only_its_changes(
    databases: dict[str, SourceDatabase], tmp_path: Path
) -> None:
    emitted: list[FeatureEvent] = []
    sync = sync_of(databases, tmp_path, emitted, Table(mode="log"))
    (unit, *_) = sync.config.units()
    (copied,) = sync_unit(sync, unit)
    assert isinstance(copied, TableCopied)
    assert copied.because == "there is no snapshot yet"
    databases["berlin"].execute("INSERT INTO t VALUES (2, 2)")
    (changed,) = sync_unit(sync, unit)
    assert isinstance(changed, TableChanged)
    assert (changed.upserted, changed.rows, changed.snapshot) == (1, 2, SNAPSHOT)
    databases["berlin"].execute("TRUNCATE TABLE t")
    (copied,) = sync_unit(sync, unit)
    assert isinstance(copied, TableCopied)
    assert (copied.because, copied.rows) == ("TRUNCATE names the table", 0)
    (copied,) = sync_unit(sync._replace(full=True), unit)
    assert isinstance(copied, TableCopied)
    assert copied.because == "", "it was asked for"
    assert [event.type for event in emitted] == [
        "warehouse.snapshot_published",
        "warehouse.changes_merged",
        "warehouse.snapshot_published",
        "warehouse.snapshot_published",
    ]


@pytest.mark.parametrize("broken", INSTALLATIONS)
def test_one_installation_that_fails_is_named_and_the_others_are_brought_up_to_date(
    databases: dict[str, SourceDatabase], tmp_path: Path, broken: str
) -> None:
    sync = sync_of(databases, tmp_path, [], Table(mode="log"))
    each_unit(sync.config.units(), lambda unit: sync_unit(sync, unit))
    databases[broken].execute("ALTER TABLE t DROP PRIMARY KEY")
    for database in databases.values():
        database.execute("INSERT INTO t VALUES (2, 2)")
    for work in (sync_unit, reconcile_unit):
        results = each_unit(sync.config.units(), lambda unit, work=work: work(sync, unit))
        assert [result.unit.installation for result in results if result.error is not None] == [broken]
    target = DuckdbTarget(tmp_path, memory_mb=256)
    for name in INSTALLATIONS:
        assert len(list(target.rows(name, "t", ["id"]))) == (1 if name == broken else 2)
    target.close()


def test_a_connection_that_is_lost_is_opened_again_where_reading_was(
    databases: dict[str, SourceDatabase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the first connection to its log after some transactions."""
    sync = sync_of(databases, tmp_path, [], Table(mode="log"))
    (unit, *_) = sync.config.units()
    sync_unit(sync, unit)
    database = databases["berlin"]
    for number in range(2, 40):
        database.execute(f"INSERT INTO t VALUES ({number}, 0)")
    positions: list[str] = []
    decoded = binlog_keys._decoded
    lost = threading.Event()

    def losing(reader: binlog_keys.BinLogStreamReader) -> Iterator[object]:
        positions.append(str(reader.auto_position))
        for number, event in enumerate(decoded(reader)):
            if number == 60 and not lost.is_set():
                lost.set()
                raise pymysql.err.OperationalError(2013, "Lost connection to server during query")
            yield event

    monkeypatch.setattr(binlog_keys, "_decoded", losing)
    (changed,) = sync_unit(sync, unit)
    assert isinstance(changed, TableChanged)
    assert (changed.rows, changed.upserted) == (39, 38)
    first, second = positions
    assert first != second, "the second connection begins behind what was read"
