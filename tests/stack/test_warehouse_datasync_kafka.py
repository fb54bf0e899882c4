"""From a real MariaDB through the warehouse and the spool into a real Kafka, and from there into a fresh DuckDB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.warehouse.changes.server import address_of
from include.warehouse.config import Table
from include.warehouse.sync import Sync, sync_unit
from include.warehouse.target.duckdb_target import DuckdbTarget
from spool.intake.client import SpoolClient
from stack.demo_count import read_committed
from tests.support.datasync import PARTITIONS, Replay, StreamEvent, warehouse_rows
from tests.support.mariadb import Server
from tests.support.private_kafka import KafkaBroker
from tests.support.replay_world import World
from tests.support.warehouse import SourceDatabase, config_of


@pytest.fixture
def database(mariadb_source: Server) -> Iterator[SourceDatabase]:
    made = SourceDatabase(mariadb_source)
    yield made
    made.drop()


def in_kafka(world: World) -> list[StreamEvent]:
    return [
        StreamEvent(
            message.key() or b"",
            (dict(message.headers() or ())["ce_type"] or b"").decode(),
            json.loads(message.value() or b"{}"),
        )
        for message in read_committed(world.bootstrap, "datasync")
    ]


def test_what_kafka_holds_of_a_published_table_is_the_table(
    database: SourceDatabase, kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    world = World(tmp_path, kafka_broker.bootstrap, "datasync", partitions=PARTITIONS)
    warehouse = tmp_path / "warehouse"
    sync = Sync(
        config_of(["berlin"], {"t": Table(mode="log", publish=True)}, warehouse),
        lambda name: database.connect,
        lambda: DuckdbTarget(warehouse, memory_mb=256),
        "20261125T090000Z",
        address_of=lambda name: address_of(database.url),
        open_spool=lambda: SpoolClient(world.spool_folder, world.settings),
    )
    (unit,) = sync.config.units()
    database.execute("CREATE TABLE t (id INT PRIMARY KEY, c TEXT)")
    database.execute("INSERT INTO t SELECT seq, CONCAT('ü', seq) FROM seq_1_to_100")
    for statement in (
        "DELETE FROM t WHERE id % 7 = 0",
        "UPDATE t SET c = NULL WHERE id % 5 = 0",
        "TRUNCATE TABLE t",
        "INSERT INTO t SELECT seq, '' FROM seq_50_to_80",
    ):
        sync_unit(sync, unit)
        database.execute(statement)
    sync_unit(sync, unit)
    world.ship()
    world.drain()
    delivered = in_kafka(world)
    assert Replay(delivered).rows("berlin", "t") == warehouse_rows(warehouse, "berlin", "t")
    sync_unit(sync, unit)
    world.ship()
    world.drain()
    assert len(in_kafka(world)) == len(delivered), "a rerun adds nothing"
