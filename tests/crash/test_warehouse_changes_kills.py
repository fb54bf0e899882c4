"""
A merge of logged changes killed at every step: readers see the old state or the new one, and the next run is exact.

Each kill meets changes that were not merged yet, among them those of the run that was killed before.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.warehouse.changes.log_changes import merge_logged
from include.warehouse.changes.server import address_of
from include.warehouse.config import Table
from include.warehouse.target.duckdb_target import DuckdbTarget
from spool import failpoints
from tests.support.killed_child import run_until_killed
from tests.support.mariadb import Server
from tests.support.warehouse import SourceDatabase, config_of, copy_table

pytestmark = [pytest.mark.crash, pytest.mark.stack]

ROWS, KILLS = 300, 20
SETTINGS = Table(mode="log")
CONFIG = config_of(["berlin"], {"t": SETTINGS})
Rows = list[tuple[object, ...]]


def steps() -> list[tuple[str, int]]:
    """Failpoints of a merge, with the pass at which the process is killed: some are passed more than once."""
    of_changes = [name for name in failpoints.NAMES if name.startswith("warehouse.changes.")]
    of_files = [("warehouse.duckdb.file_written", number) for number in (1, 2, 3)]
    of_catalog = ["warehouse.catalog.written", "warehouse.catalog.renamed", "warehouse.duckdb.published"]
    return [(name, 1) for name in of_changes] + of_files + [(name, 1) for name in of_catalog]


class World:
    def __init__(self, database: SourceDatabase, folder: Path) -> None:
        self.database, self.folder = database, folder
        self._chance = random.Random(11)
        database.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT NOT NULL)")
        database.execute(f"INSERT INTO t SELECT seq, 0 FROM seq_1_to_{ROWS}")
        target = self._target()
        copy_table(database, target, "t", "20261125T090000Z", SETTINGS)
        target.close()

    def change(self, number: int) -> None:
        first = self._chance.randrange(ROWS)
        self.database.execute(f"UPDATE t SET c = {number} WHERE id BETWEEN {first} AND {first + 20}")
        self.database.execute(f"DELETE FROM t WHERE id = {self._chance.randrange(ROWS)}")
        self.database.execute(f"INSERT INTO t VALUES ({ROWS + number}, {number})")

    def merge(self) -> None:
        target = self._target()
        try:
            merge_logged(CONFIG, "berlin", "t", self.database.connect, address_of(self.database.url), target)
        finally:
            target.close()

    def seen(self) -> Rows:
        target = self._target()
        try:
            return sorted(target.rows("berlin", "t", ["id", "c"]))
        finally:
            target.close()

    def source(self) -> Rows:
        return self.database.execute("SELECT id, c FROM t ORDER BY id")

    def _target(self) -> DuckdbTarget:
        return DuckdbTarget(self.folder, memory_mb=256, readers_s=0)


@pytest.fixture
def world(mariadb_source: Server, tmp_path: Path) -> Iterator[World]:
    database = SourceDatabase(mariadb_source)
    yield World(database, tmp_path / "warehouse")
    database.drop()


def test_killed_twenty_times_a_merge_is_whole_or_did_not_happen_and_the_next_one_is_exact(world: World) -> None:
    killed = set()
    for number, (step, at_pass) in zip(range(1, KILLS + 1), itertools.cycle(steps()), strict=False):
        before = world.seen()
        world.change(number)
        assert run_until_killed(world.merge, step, at_pass), step
        killed.add((step, at_pass))
        assert world.seen() in (before, world.source()), step
        if number % 3 == 0:
            world.merge()
            assert world.seen() == world.source(), step
    world.merge()
    assert world.seen() == world.source()
    assert killed == set(steps())
