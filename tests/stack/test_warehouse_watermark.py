"""Mode watermark and the reconciliation of keys, on a real MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.warehouse.changes.reconcile import reconcile_keys
from include.warehouse.changes.watermark import merge_newer
from include.warehouse.config import Table
from include.warehouse.errors import TableRefused, WholeCopyNeeded
from include.warehouse.target.duckdb_target import DuckdbTarget
from tests.support.mariadb import Server
from tests.support.warehouse import SourceDatabase, config_of, copy_table

SNAPSHOT = "20261125T090000Z"
WATERMARK = Table(mode="watermark", watermark_column="changed_at", overlap_s=600)
LOG = Table(mode="log")


@pytest.fixture
def database(mariadb_source: Server) -> Iterator[SourceDatabase]:
    made = SourceDatabase(mariadb_source)
    yield made
    made.drop()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[DuckdbTarget]:
    made = DuckdbTarget(tmp_path / "warehouse", memory_mb=256)
    yield made
    made.close()


def rows_of(target: DuckdbTarget, table: str) -> list[tuple[object, ...]]:
    return sorted(target.rows("berlin", table, ["id", "c"]))


def test_rows_at_the_watermark_and_within_the_overlap_are_merged(
    database: SourceDatabase, target: DuckdbTarget
) -> None:
    """A transaction that was open during the last snapshot commits a row that is older than the watermark."""
    config = config_of(["berlin"], {"t": WATERMARK})
    database.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT, changed_at DATETIME(3))")
    database.execute("INSERT INTO t VALUES (1, 1, '2026-01-01 10:00:00.500'), (2, 1, '2026-01-01 10:00:00')")
    copy_table(database, target, "t", SNAPSHOT, WATERMARK)
    database.execute("INSERT INTO t VALUES (3, 1, '2026-01-01 09:51:00'), (4, 1, '2026-01-01 10:00:00.500')")
    database.execute("INSERT INTO t VALUES (5, 1, NULL), (6, 1, '2026-01-01 08:00:00')")
    outcome = merge_newer(config, "berlin", "t", database.connect, target)
    assert [number for number, _ in rows_of(target, "t")] == [1, 2, 3, 4, 5]
    assert outcome.rows == 5
    record = target.current("berlin", "t")
    assert record is not None
    assert record.watermark == "2026-01-01 10:00:00.500"
    database.execute("UPDATE t SET c = 2, changed_at = '2026-01-01 12:00:00' WHERE id = 2")
    merge_newer(config, "berlin", "t", database.connect, target)
    assert rows_of(target, "t")[1] == (2, 2)


def test_a_watermark_of_numbers_goes_by_numbers(database: SourceDatabase, target: DuckdbTarget) -> None:
    settings = Table(mode="watermark", watermark_column="version", overlap_s=5)
    config = config_of(["berlin"], {"t": settings})
    database.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT, version BIGINT UNSIGNED NOT NULL)")
    database.execute("INSERT INTO t VALUES (1, 1, 9), (2, 1, 3)")
    copy_table(database, target, "t", SNAPSHOT, settings)
    database.execute("UPDATE t SET c = 2, version = 10 WHERE id = 2")
    database.execute("INSERT INTO t VALUES (3, 1, 4)")
    merge_newer(config, "berlin", "t", database.connect, target)
    assert rows_of(target, "t") == [(1, 1), (2, 2), (3, 1)]


def test_a_watermark_that_went_back_needs_a_whole_copy(database: SourceDatabase, target: DuckdbTarget) -> None:
    database.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT, changed_at TIMESTAMP)")
    database.execute("INSERT INTO t VALUES (1, 1, '2026-01-01 10:00:00'), (2, 1, '2026-01-01 11:00:00')")
    copy_table(database, target, "t", SNAPSHOT, WATERMARK)
    database.execute("DELETE FROM t WHERE id = 2")
    with pytest.raises(WholeCopyNeeded, match="went back"):
        merge_newer(config_of(["berlin"], {"t": WATERMARK}), "berlin", "t", database.connect, target)


@pytest.mark.parametrize("definition", ["id INT PRIMARY KEY, c INT", "id INT PRIMARY KEY, c INT, changed_at TEXT"])
def test_a_column_that_is_no_watermark_is_refused(
    database: SourceDatabase, target: DuckdbTarget, definition: str
) -> None:
    database.execute(f"CREATE TABLE t ({definition})")
    with pytest.raises(TableRefused, match="changed_at"):
        copy_table(database, target, "t", SNAPSHOT, WATERMARK)


def test_reconcile_finds_rows_that_a_foreign_key_deleted(database: SourceDatabase, target: DuckdbTarget) -> None:
    database.execute("CREATE TABLE parent (id VARCHAR(20) PRIMARY KEY)")
    database.execute(
        "CREATE TABLE child (id VARCHAR(20), c INT, parent VARCHAR(20), PRIMARY KEY (id, c),"
        " FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE)"
    )
    database.execute("INSERT INTO parent VALUES ('a'), ('b')")
    database.execute("INSERT INTO child VALUES ('x\"1', 1, 'a'), ('y', 2, 'a'), ('', 3, 'b')")
    copy_table(database, target, "child", SNAPSHOT, LOG)
    database.execute("DELETE FROM parent WHERE id = 'a'")
    database.execute("SET STATEMENT sql_log_bin = 0 FOR INSERT INTO child VALUES ('silent\"', 4, 'b')")
    config = config_of(["berlin"], {"child": LOG})
    outcome = reconcile_keys(config, "berlin", "child", database.connect, target)
    assert (outcome.deleted, outcome.upserted, outcome.rows) == (2, 1, 2)
    assert rows_of(target, "child") == [("", 3), ('silent"', 4)]
    again = reconcile_keys(config, "berlin", "child", database.connect, target)
    assert (again.deleted, again.upserted) == (0, 0)


def test_a_foreign_key_that_changes_values_needs_a_whole_copy(database: SourceDatabase, target: DuckdbTarget) -> None:
    database.execute("CREATE TABLE parent (id INT PRIMARY KEY)")
    database.execute(
        "CREATE TABLE child (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parent (id)"
        " ON DELETE SET NULL)"
    )
    copy_table(database, target, "child", SNAPSHOT, LOG)
    with pytest.raises(WholeCopyNeeded, match="foreign key"):
        reconcile_keys(config_of(["berlin"], {"child": LOG}), "berlin", "child", database.connect, target)
