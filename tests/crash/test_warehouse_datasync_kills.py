"""
A sync of a published table killed at every step: each change is in the stream once, and a consumer has the same table.

After each kill the run is started again, without new changes in the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.warehouse.changes.server import address_of
from include.warehouse.config import Table
from include.warehouse.datasync import journaled_target
from include.warehouse.sync import Sync, sync_unit
from include.warehouse.target.duckdb_target import DuckdbTarget
from spool import failpoints
from tests.support.datasync import Replay, changes, client, epochs, stream_events, warehouse_rows
from tests.support.killed_child import run_until_killed
from tests.support.mariadb import Server
from tests.support.warehouse import SourceDatabase, config_of

pytestmark = [pytest.mark.crash, pytest.mark.stack]

OF_STREAM = [name for name in failpoints.NAMES if name.startswith("warehouse.datasync.")]
OF_CATALOG = ["warehouse.catalog.written", "warehouse.catalog.renamed", "warehouse.duckdb.published"]
MERGE_STEPS = [
    *[(name, 1) for name in OF_STREAM], ("warehouse.datasync.appended", 2), *[(name, 1) for name in OF_CATALOG],
    ("warehouse.changes.merged", 1), ("log.append.synced", 1),
]  # fmt: skip
COPY_STEPS = [
    *[(name, 1) for name in OF_STREAM if name != "warehouse.datasync.rows_written"],
    ("warehouse.datasync.appended", 2), ("warehouse.snapshot.loading", 1), ("warehouse.snapshot.verified", 1),
    *[(name, 1) for name in OF_CATALOG], ("warehouse.snapshot.published", 1),
]  # fmt: skip


class World:
    def __init__(self, server: Server, folder: Path) -> None:
        self.database = SourceDatabase(server)
        self.spool, self.warehouse = folder / "spool", folder / "warehouse"
        self.database.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT NOT NULL)")
        self.database.execute("INSERT INTO t SELECT seq, 0 FROM seq_1_to_9 UNION SELECT 1000, 0")
        self.number = 0

    def change(self) -> None:
        """Five changes: three updates, an insert and a delete."""
        self.number += 1
        self.database.execute(f"UPDATE t SET c = {self.number} ORDER BY id LIMIT 3")
        self.database.execute(f"INSERT INTO t VALUES ({1000 + self.number}, 0)")
        self.database.execute(f"DELETE FROM t WHERE id = {1000 + self.number - 1}")

    def sync(self, *, full: bool = False) -> None:
        """By a client of its own, as each process has one."""
        config = config_of(["berlin"], {"t": Table(mode="log", publish=True)}, self.warehouse)
        sync = Sync(
            config,
            lambda name: self.database.connect,
            lambda: DuckdbTarget(self.warehouse, memory_mb=256, readers_s=0),
            f"20261125T09{self.number:02d}00Z",
            full=full,
            address_of=lambda name: address_of(self.database.url),
            open_spool=lambda: client(self.spool),
        )
        sync_unit(sync, config.units()[0])

    def demand_same_table_elsewhere(self, step: str) -> None:
        source = self.database.execute("SELECT id, c FROM t ORDER BY id")
        assert warehouse_rows(self.warehouse, "berlin", "t") == source, step
        assert Replay(stream_events(self.spool)).rows("berlin", "t") == source, step


@pytest.fixture
def world(mariadb_source: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(journaled_target, "BATCH_EVENTS", 2)
    made = World(mariadb_source, tmp_path)
    made.sync()
    yield made
    made.database.drop()


def test_a_merge_killed_at_every_step_has_each_change_in_the_stream_once(world: World) -> None:
    expected = 0
    for step, at_pass in MERGE_STEPS:
        world.change()
        expected += 5
        assert run_until_killed(world.sync, step, at_pass), step
        assert len(changes(world.spool)) <= expected, step
        world.sync()
        assert len(changes(world.spool)) == expected, step
        world.demand_same_table_elsewhere(step)
    world.sync()
    assert len(changes(world.spool)) == expected, "a rerun adds nothing"
    assert len(epochs(world.spool)) == 1, "no kill made a whole copy necessary"
    left = {path.name for path in (world.warehouse / "datasync/berlin/t").iterdir()}
    assert left == {".lock", "stream.json"}


def test_a_whole_copy_killed_at_every_step_is_one_epoch_and_no_rows_twice(world: World) -> None:
    for step, at_pass in COPY_STEPS:
        world.change()
        before = len(epochs(world.spool))
        assert run_until_killed(lambda: world.sync(full=True), step, at_pass), step
        world.sync()
        world.demand_same_table_elsewhere(step)
        copied = [
            (event.payload["epoch"], *event.payload["primary_key"])
            for event in stream_events(world.spool)
            if event.payload.get("operation") == "snapshot"
        ]
        assert len(copied) == len(set(copied)), step
        assert len(epochs(world.spool)) <= before + 1, step
