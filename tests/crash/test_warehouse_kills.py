"""
A copy into the warehouse killed at every step: readers see the old snapshot or the new one, and the next run heals all.

The source is a real MariaDB; readers do what a dashboard does. Kills while rows are loaded are spread over the load.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from include.warehouse.config import Table, Unit
from include.warehouse.snapshot.pipeline import copy_unit
from include.warehouse.source import snapshot_transaction
from include.warehouse.target.duckdb_target import DuckdbTarget
from spool import failpoints
from tests.support.killed_child import run_until_killed
from tests.support.mariadb import Server
from tests.support.series import some
from tests.support.warehouse import SourceDatabase, config_of

pytestmark = [pytest.mark.crash, pytest.mark.stack]

ROWS, ROWS_A_FETCH = 2_000, 100
LOADING = "warehouse.snapshot.loading"
PASSES = ROWS // ROWS_A_FETCH
STEPS = [
    name
    for name in failpoints.NAMES
    if name.startswith(("warehouse.snapshot.", "warehouse.duckdb.", "warehouse.catalog.")) and name != LOADING
]
CONFIG = config_of(["berlin"], {"participants": Table(snapshots=2)})
# Steps after the rename that makes a snapshot visible; the one before, of a run, forgets old files.
VISIBLE = {"warehouse.duckdb.published", "warehouse.snapshot.published"}


class World:
    """Version n of the table has ROWS rows with the value n; the warehouse is in `folder`."""

    def __init__(self, database: SourceDatabase, folder: Path) -> None:
        self.database, self.folder, self.version = database, folder, 0
        database.execute("CREATE TABLE participants (id INT PRIMARY KEY, version INT NOT NULL)")
        database.execute(f"INSERT INTO participants SELECT seq, 0 FROM seq_1_to_{ROWS}")

    def change(self) -> None:
        self.version += 1
        self.database.execute(f"UPDATE participants SET version = {self.version}")

    def copy(self) -> None:
        target = DuckdbTarget(self.folder, memory_mb=256, readers_s=0)
        try:
            snapshot = f"2026112{self.version // 10}T0{self.version % 10}0000Z"
            copy_unit(CONFIG, Unit("berlin", ("participants",)), self.database.connect, target, snapshot)
        finally:
            target.close()

    def prune(self) -> None:
        target = DuckdbTarget(self.folder, memory_mb=256, readers_s=0)
        target.prune_unfinished("berlin", "participants")
        target.close()

    def seen(self) -> int:
        """The version that readers see, whole."""
        query = "SELECT min(version), max(version), count(*) FROM snapshot_current.participants"
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as connection:
            ((least, greatest, count),) = connection.execute(query).fetchall()
        assert (least, count) == (greatest, ROWS), "half a snapshot"
        return int(least)

    def files(self) -> list[str]:
        return sorted(
            path.name for path in self.folder.rglob("*") if path.is_file() and not path.name.endswith(".lock")
        )


@pytest.fixture
def world(mariadb_source: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(snapshot_transaction, "ROWS_A_FETCH", ROWS_A_FETCH)
    database = SourceDatabase(mariadb_source)
    made = World(database, tmp_path / "warehouse")
    made.copy()
    yield made
    database.drop()


def test_killed_at_every_step_readers_see_the_old_snapshot_or_the_new_one_and_a_rerun_ends_well(world: World) -> None:
    """All steps on one warehouse, one after the other: what one kill leaves must not disturb the next."""
    passed = []
    for step in STEPS:
        before = world.seen()
        world.change()
        if run_until_killed(world.copy, step):
            passed.append(step)
        seen = world.seen()
        assert seen in (before, world.version), step
        assert (seen == world.version) == (step in VISIBLE), step
        world.copy()
        assert world.seen() == world.version
    assert passed == STEPS
    world.prune()
    kept = [name for name in world.files() if name.endswith(".parquet")]
    assert len(kept) == 2, "what the kills left is removed"
    # Copies of the catalog are removed when they are old enough to be nobody's work.
    others = {name for name in world.files() if not name.endswith((".parquet", ".tmp"))}
    assert others == {"warehouse.duckdb"}


@pytest.mark.series
def test_killed_while_rows_are_loaded_readers_see_the_old_snapshot(world: World) -> None:
    passes = some(list(range(1, PASSES + 1)))
    for at_pass in passes:
        before = world.seen()
        world.change()
        assert run_until_killed(world.copy, LOADING, at_pass)
        assert world.seen() == before
        assert run_until_killed(world.copy, LOADING, at_pass), "a rerun after a kill meets the same step"
        world.copy()
        assert world.seen() == world.version


def test_a_reader_that_polls_sees_one_whole_snapshot_after_the_other_and_never_waits(world: World) -> None:
    stop = threading.Event()
    seen: list[int] = []
    failed: list[BaseException] = []

    def poll() -> None:
        while not stop.is_set():
            try:
                seen.append(world.seen())
            except BaseException as error:
                failed.append(error)
                return

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        for _ in range(4):
            world.change()
            world.copy()
            reached = len(seen)
            while len(seen) < reached + 2 and not failed:
                stop.wait(0.01)
    finally:
        stop.set()
        reader.join()
    assert not failed
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2, 3, 4}


def test_a_reader_that_has_the_catalog_open_keeps_its_snapshot_and_stops_nobody(world: World) -> None:
    with duckdb.connect(str(world.folder / "warehouse.duckdb"), read_only=True) as reader:
        query = "SELECT max(version) FROM snapshot_current.participants"
        assert reader.execute(query).fetchall() == [(0,)]
        world.change()
        child_ended_well = not run_until_killed(world.copy, "nowhere")
        assert child_ended_well
        assert reader.execute(query).fetchall() == [(0,)]
    assert world.seen() == 1
