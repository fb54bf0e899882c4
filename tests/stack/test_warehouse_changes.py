"""Changes of a real MariaDB merged into the current snapshot: what readers see is what the source holds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.warehouse.changes.log_changes import merge_logged
from include.warehouse.changes.server import address_of
from include.warehouse.changes.table_changed import TableChanged
from include.warehouse.config import Table
from include.warehouse.errors import TableRefused, WholeCopyNeeded
from include.warehouse.target.duckdb_target import DuckdbTarget
from tests.support.mariadb import Server
from tests.support.warehouse import SourceDatabase, config_of, copy_table

SNAPSHOT, LATER = "20261125T090000Z", "20261125T100000Z"
LOG, WATERMARK = Table(mode="log"), Table(mode="watermark", watermark_column="changed_at", overlap_s=600)


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


def merged(database: SourceDatabase, target: DuckdbTarget, table: str, **limits: int) -> TableChanged:
    config = config_of(["berlin"], {table: LOG})
    return merge_logged(config, "berlin", table, database.connect, address_of(database.url), target, **limits)


def rows_of(target: DuckdbTarget, table: str, columns: list[str]) -> list[tuple[object, ...]]:
    return sorted(target.rows("berlin", table, columns), key=repr)


def rows_in(database: SourceDatabase, table: str, columns: list[str]) -> list[tuple[object, ...]]:
    return sorted(database.execute(f"SELECT {', '.join(columns)} FROM {table}"), key=repr)


def test_after_random_changes_the_merged_table_is_the_one_that_a_whole_copy_gives(
    database: SourceDatabase, target: DuckdbTarget, tmp_path: Path
) -> None:
    columns = ["id", "name", "amount", "ratio", "at", "raw", "kind"]
    database.execute(
        "CREATE TABLE people (id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(80), amount DECIMAL(20,4), ratio FLOAT,"
        " at DATETIME(3), raw BINARY(6), kind ENUM('a','b'))"
    )
    database.execute(
        "INSERT INTO people SELECT 18446744073709550000 + seq, CONCAT('nämé ', seq), seq / 7, seq / 3,"
        " '2026-01-01' + INTERVAL seq SECOND, UNHEX('00ff00'), 'a' FROM seq_1_to_400"
    )
    copy_table(database, target, "people", SNAPSHOT, LOG)
    chance = random.Random(7)
    connection = database.connect()
    cursor = connection.cursor()
    for _ in range(600):
        number = 18446744073709550000 + chance.randrange(1, 500)
        statement = chance.choice([
            "REPLACE INTO people VALUES (%s, 'new \\'\"\\n', 1.5, 1.1, '2026-02-02 03:04:05.678', x'01', 'b')",
            "UPDATE people SET name = '', amount = -amount, ratio = 0.1 WHERE id = %s",
            "UPDATE people SET name = NULL, raw = NULL WHERE id = %s",
            "DELETE FROM people WHERE id = %s",
            "UPDATE IGNORE people SET id = id + 1 WHERE id = %s",
        ])  # fmt: skip
        cursor.execute(statement, (number,))
        if chance.random() < 0.3:
            connection.commit()
    connection.commit()
    connection.close()
    outcome = merged(database, target, "people")
    assert outcome.upserted > 100
    assert outcome.deleted > 20
    whole = DuckdbTarget(tmp_path / "whole", memory_mb=256)
    copied = copy_table(database, whole, "people", SNAPSHOT)
    assert rows_of(target, "people", columns) == rows_of(whole, "people", columns)
    assert (outcome.rows, outcome.gtid) == (copied.rows, copied.gtid)
    whole.close()
    again = merged(database, target, "people")
    assert (again.upserted, again.deleted) == (0, 0), "what was merged is not read again"


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("a INT, b VARCHAR(20)", ["(-1, 'x''\"y')", "(7, '')"]),
        ("a BINARY(4), b DATE", ["(x'01000000', '2026-01-02')", "(x'00', '1000-01-01')"]),
        ("a DATETIME(2), b TIMESTAMP(6)", ["('2026-01-02 03:04:05.67', '2026-01-02 03:04:05.000001')"]),
        ("a DECIMAL(30,10), b ENUM('x','ÿ')", ["(-0.0000000001, 'ÿ')", "(12345678901234567890.5, 'x')"]),
        ("a VARCHAR(20) CHARACTER SET latin1, b VARBINARY(9)", ["('Müller', x'00')", "('é', x'')"]),
        ("a YEAR, b MEDIUMINT UNSIGNED", ["(1901, 16777215)"]),
    ],
)
def test_rows_are_found_by_keys_of_every_type_that_the_log_gives(
    database: SourceDatabase, target: DuckdbTarget, key: str, values: list[str]
) -> None:
    database.execute(f"CREATE TABLE t ({key}, c INT, PRIMARY KEY (a, b))")
    for value in values:
        database.execute(f"INSERT INTO t VALUES {value[:-1]}, 1)")
    copy_table(database, target, "t", SNAPSHOT, LOG)
    database.execute("UPDATE t SET c = 2")
    assert merged(database, target, "t").upserted == len(values)
    assert [row for (row,) in target.rows("berlin", "t", ["c"])] == [2] * len(values)
    database.execute("DELETE FROM t")
    outcome = merged(database, target, "t")
    assert (outcome.rows, outcome.deleted) == (0, len(values))


def test_a_key_that_changes_only_its_letters_case_leaves_no_second_row(
    database: SourceDatabase, target: DuckdbTarget
) -> None:
    database.execute("CREATE TABLE t (a VARCHAR(20) PRIMARY KEY, c INT)")
    database.execute("INSERT INTO t VALUES ('anna', 1)")
    copy_table(database, target, "t", SNAPSHOT, LOG)
    database.execute("UPDATE t SET a = 'Anna'")
    merged(database, target, "t")
    assert rows_of(target, "t", ["a", "c"]) == [("Anna", 1)]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("TRUNCATE TABLE t", "TRUNCATE names the table"),
        ("ALTER TABLE t ADD COLUMN d INT", "the table was altered"),
        ("ALTER TABLE t ENGINE=InnoDB", "ALTER names the table"),
        ("RENAME TABLE t TO u, spare TO t", "RENAME names the table"),
        ("SET STATEMENT binlog_format = 'STATEMENT' FOR UPDATE t SET c = 3", "UPDATE was logged as a statement"),
    ],
)
def test_what_the_log_does_not_say_row_by_row_needs_a_whole_copy(
    database: SourceDatabase, target: DuckdbTarget, statement: str, reason: str
) -> None:
    for table in ("t", "spare"):
        database.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, c INT)")
        database.execute(f"INSERT INTO {table} VALUES (1, 1)")
    copy_table(database, target, "t", SNAPSHOT, LOG)
    database.execute(statement)
    with pytest.raises(WholeCopyNeeded, match=reason):
        merged(database, target, "t")


def test_ddl_and_changes_of_other_tables_disturb_nothing(database: SourceDatabase, target: DuckdbTarget) -> None:
    database.execute("CREATE TABLE participants (id INT PRIMARY KEY, c INT)")
    copy_table(database, target, "participants", SNAPSHOT, LOG)
    database.execute("CREATE TABLE other (id INT PRIMARY KEY, g GEOMETRY)")
    database.execute("INSERT INTO other VALUES (1, POINT(1, 2))")
    database.execute("TRUNCATE TABLE other")
    database.execute("INSERT INTO participants VALUES (1, 1)")
    outcome = merged(database, target, "participants")
    assert (outcome.upserted, outcome.rows) == (1, 1)


def test_a_distributed_transaction_that_was_prepared_before_is_not_lost(
    database: SourceDatabase, target: DuckdbTarget
) -> None:
    database.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT)")
    copy_table(database, target, "t", SNAPSHOT, LOG)
    connection = database.connect()
    for statement in ("XA START 'x'", "INSERT INTO t VALUES (1, 1)", "XA END 'x'", "XA PREPARE 'x'"):
        connection.query(statement)
    assert merged(database, target, "t").rows == 0
    connection.query("XA COMMIT 'x'")
    connection.close()
    with pytest.raises(WholeCopyNeeded, match="XA COMMIT"):
        merged(database, target, "t")


def test_a_purged_log_and_a_history_of_another_server_need_a_whole_copy(
    database: SourceDatabase, target: DuckdbTarget
) -> None:
    database.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT)")
    copy_table(database, target, "t", SNAPSHOT, LOG)
    database.execute("INSERT INTO t VALUES (1, 1)")
    database.execute("FLUSH BINARY LOGS")
    database.execute("INSERT INTO t VALUES (2, 2)")
    ((last, *_),) = database.execute("SHOW BINARY LOGS")[-1:]
    database.execute(f"PURGE BINARY LOGS TO '{last}'")
    with pytest.raises(WholeCopyNeeded, match="cannot give its binary log"):
        merged(database, target, "t")
    base = target.current("berlin", "t")
    assert base is not None
    for foreign in ("77-5-9", "1-1-99999999999"):
        copy_table(database, target, "t", SNAPSHOT, LOG)
        _with_gtid(database, target, foreign)
        with pytest.raises(WholeCopyNeeded):
            merged(database, target, "t")


def _with_gtid(database: SourceDatabase, target: DuckdbTarget, gtid: str) -> None:
    """A merge of nothing with another position."""
    from include.warehouse.changes.reselect import lines
    from include.warehouse.snapshot.table_plan import plan_table
    from include.warehouse.source.snapshot_transaction import SnapshotTransaction

    with SnapshotTransaction(database.connect) as source:
        plan = plan_table(config_of(["berlin"], {"t": LOG}), "berlin", "t", source, target.limits)
    record = target.current("berlin", "t")
    assert record is not None
    target.merge(plan.target, lines([]), lines([]), record._replace(gtid=gtid))


def test_more_changes_than_are_worth_reading_are_not_read(database: SourceDatabase, target: DuckdbTarget) -> None:
    database.execute("CREATE TABLE t (id INT PRIMARY KEY, c INT)")
    copy_table(database, target, "t", SNAPSHOT, LOG)
    database.execute("INSERT INTO t SELECT seq, 1 FROM seq_1_to_100")
    with pytest.raises(WholeCopyNeeded, match="a whole copy is quicker"):
        merged(database, target, "t", changes_max=50)
    assert merged(database, target, "t", changes_max=100).rows == 100


@pytest.mark.parametrize(
    ("setting", "value", "back"),
    [
        ("binlog_row_metadata", "NO_LOG", "FULL"),
        ("binlog_format", "MIXED", "ROW"),
        ("binlog_row_image", "MINIMAL", "FULL"),
    ],
)
def test_a_server_that_logs_too_little_is_refused_with_what_to_set(
    database: SourceDatabase, target: DuckdbTarget, setting: str, value: str, back: str
) -> None:
    database.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    database.execute(f"SET GLOBAL {setting} = {value}")
    try:
        with pytest.raises(TableRefused, match=f"{setting} is {value}") as refused:
            merged(database, target, "t")
    finally:
        database.execute(f"SET GLOBAL {setting} = {back}")
    assert f"SET GLOBAL {setting} = {back}" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("definition", "reason"),
    [("id INT", "no primary key"), ("id FLOAT PRIMARY KEY", "float"), ("id UUID PRIMARY KEY", "uuid")],
)
def test_a_table_whose_keys_cannot_be_followed_is_refused(
    database: SourceDatabase, target: DuckdbTarget, definition: str, reason: str
) -> None:
    database.execute(f"CREATE TABLE t ({definition})")
    copy_table(database, target, "t", SNAPSHOT, LOG)
    with pytest.raises(TableRefused, match=reason):
        merged(database, target, "t")


def test_a_row_that_a_policy_rejects_now_leaves_the_warehouse_and_is_counted(
    database: SourceDatabase, target: DuckdbTarget
) -> None:
    strict = Table(mode="log", zero_dates="reject_row")
    database.execute("CREATE TABLE t (id INT PRIMARY KEY, born DATE)")
    database.execute("INSERT INTO t VALUES (1, '2000-01-01'), (2, '2000-01-01')")
    copy_table(database, target, "t", SNAPSHOT, strict)
    database.execute("UPDATE t SET born = '0000-00-00' WHERE id = 2")
    config = config_of(["berlin"], {"t": strict})
    outcome = merge_logged(config, "berlin", "t", database.connect, address_of(database.url), target)
    assert (outcome.rows, outcome.rejected, outcome.deleted) == (1, 1, 1)


def test_many_keys_that_change_only_their_letters_case_are_no_rows_twice(
    database: SourceDatabase, target: DuckdbTarget
) -> None:
    """Both forms of a key are in the log, and each finds the row: more of them than fit into one query."""
    database.execute("CREATE TABLE t (id VARCHAR(20) PRIMARY KEY, c INT)")
    database.execute("INSERT INTO t SELECT CONCAT('k', seq), 0 FROM seq_1_to_700")
    copy_table(database, target, "t", SNAPSHOT, LOG)
    database.execute("UPDATE t SET id = UPPER(id)")
    outcome = merged(database, target, "t")
    assert (outcome.rows, outcome.upserted, outcome.deleted) == (700, 700, 700)
    assert rows_of(target, "t", ["id", "c"]) == rows_in(database, "t", ["id", "c"])
