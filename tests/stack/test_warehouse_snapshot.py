"""Whole snapshots of a real MariaDB in a DuckDB warehouse: consistent, complete, isolated, or refused."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import MySQLdb
import pytest

from include.warehouse.config import Table, Unit
from include.warehouse.errors import SnapshotBroken, SnapshotDiffers, TableRefused, TypeRefused
from include.warehouse.snapshot.pipeline import copy_unit
from include.warehouse.snapshot.units import demand_all, each_unit
from include.warehouse.source.snapshot_pair import TRIES, snapshot_pair
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.source.table_shape import table_shape
from include.warehouse.sync import Sync, sync_unit
from include.warehouse.target.duckdb_target import DuckdbTarget
from include.warehouse.target.port import Produce, Staged, TargetTable, Write
from spool.errors import SettingsError, SpoolError
from tests.support.mariadb import Server
from tests.support.warehouse import SourceDatabase, config_of, copy_table

FIRST, SECOND = "20261125T090000Z", "20261125T100000Z"


@pytest.fixture
def database(mariadb_source: Server) -> Iterator[SourceDatabase]:
    made = SourceDatabase(mariadb_source)
    yield made
    made.drop()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[DuckdbTarget]:
    made = DuckdbTarget(tmp_path, memory_mb=256)
    yield made
    made.close()


def read(folder: Path, query: str) -> list[tuple[object, ...]]:
    """As a dashboard does: the catalog, read only."""
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_a_snapshot_is_one_state_of_all_tables_of_its_group_while_writers_go_on(
    database: SourceDatabase, target: DuckdbTarget
) -> None:
    """Every transaction moves an amount between accounts of two tables: in any one state the sum is the same."""
    for table in ("giver", "taker"):
        database.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, amount INT NOT NULL)")
        database.execute(f"INSERT INTO {table} SELECT seq, 1000 FROM seq_1_to_500")
    stop, written = threading.Event(), threading.Event()

    def write() -> None:
        connection = database.connect()
        number = 0
        while not stop.is_set():
            number += 1
            cursor = connection.cursor()
            cursor.execute("UPDATE giver SET amount = amount - 7 WHERE id = %s", (number % 500 + 1,))
            cursor.execute("UPDATE taker SET amount = amount + 7 WHERE id = %s", (number * 3 % 500 + 1,))
            cursor.execute("INSERT INTO taker VALUES (%s, 0)", (1000 + number,))
            connection.commit()
            written.set()
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(60)
        config = config_of(["berlin"], {"giver": Table(group="accounts"), "taker": Table(group="accounts")})
        for snapshot in (FIRST, SECOND):
            (unit,) = config.units()
            first, second = copy_unit(config, unit, database.connect, target, snapshot)
            assert first.gtid == second.gtid != ""
            amounts = [sum(amount for (amount,) in target.rows("berlin", table, ["amount"])) for table in unit.tables]
            assert sum(amounts) == 1_000_000
    finally:
        stop.set()
        writer.join()
    copy_unit(config, unit, database.connect, target, SECOND)
    for table in unit.tables:
        assert sorted(target.rows("berlin", table, ["id", "amount"])) == database.execute(
            f"SELECT id, amount FROM {table} ORDER BY id"
        )


def test_two_connections_in_one_state_are_found_and_one_in_another_state_is_never_taken(
    database: SourceDatabase, mariadb_source: Server
) -> None:
    database.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    with snapshot_pair(database.connect) as pair:
        assert pair.second is not None
        assert pair.second.binlog_position == pair.first.binlog_position != ""
    opened = itertools.count(1)

    def connect() -> object:
        """A transaction between any two connections."""
        database.execute("INSERT INTO t VALUES (%s)", (next(opened),))
        return database.connect()

    with snapshot_pair(connect) as pair:
        assert pair.second is None
    assert next(opened) == 2 * TRIES + 1


def test_rows_beyond_max_allowed_packet_come_by_themselves_and_whole(
    database: SourceDatabase, target: DuckdbTarget
) -> None:
    """The server's functions return NULL above the limit, which here is that of the session."""
    database.execute("CREATE TABLE letters (id INT PRIMARY KEY, body LONGTEXT, scan LONGBLOB, amount DECIMAL(9,2))")
    database.execute(
        "INSERT INTO letters VALUES (1, REPEAT('ü\"', 300000), REPEAT(X'00FF', 400000), 1.5), (2, '', '', NULL)"
    )
    database.execute("INSERT INTO letters VALUES (3, NULL, NULL, -2)")

    def connect() -> object:
        connection = database.connect()
        connection.query("SET GLOBAL max_allowed_packet = 1048576")
        connection.close()
        return database.connect()

    try:
        config = config_of(["berlin"], {"letters": Table()})
        with SnapshotTransaction(connect) as source:
            assert source.row("SELECT CONCAT(body, HEX(scan)) FROM letters WHERE id = 1") == (None,)
        copy_unit(config, Unit("berlin", ("letters",)), connect, target, FIRST)
    finally:
        database.execute("SET GLOBAL max_allowed_packet = 16777216")
    assert sorted(target.rows("berlin", "letters", ["id", "body", "scan"])) == [
        (1, 'ü"' * 300000, b"\x00\xff" * 400000),
        (2, "", b""),
        (3, None, None),
    ]


def test_what_a_policy_rejects_is_counted_and_with_what_was_loaded_is_the_source(
    database: SourceDatabase, target: DuckdbTarget
) -> None:
    database.execute("CREATE TABLE orders (id INT PRIMARY KEY, paid DATE, due DATE, total DECIMAL(60,5))")
    database.execute(
        "INSERT INTO orders VALUES (1, '2026-01-01', NULL, 1), (2, '0000-00-00', '2026-02-30', 1), "
        "(3, NULL, '2026-02-30', 1), "
        f"(4, NULL, NULL, 1{'0' * 33}), (5, NULL, NULL, -{'9' * 33}.99999)",
        sql_mode="ALLOW_INVALID_DATES",
    )
    settings = Table(zero_dates="reject_row", wide_decimals="reject_row")
    copied = copy_table(database, target, "orders", FIRST, settings)
    assert (copied.rows, copied.rejected) == (2, 3)
    assert copied.rejected_by == {"paid": 1, "due": 2, "total": 1}
    assert sorted(row for (row,) in target.rows("berlin", "orders", ["id"])) == [1, 5]
    record = target.current("berlin", "orders")
    assert record is not None
    assert record.rows + record.rejected == 5


class LosesRows(DuckdbTarget):
    """A warehouse that loads something else than it was given."""

    def __init__(self, folder: Path, damage: tuple[bytes, bytes]) -> None:
        super().__init__(folder, memory_mb=256)
        self.damage = damage

    def load(self, table: TargetTable, snapshot: str, produce: Produce, *, longest_line: int = 0) -> Staged:
        def damaged(write: Write) -> None:
            produce(lambda chunk: write(chunk.replace(*self.damage)))

        return super().load(table, snapshot, damaged, longest_line=longest_line)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ((b'3,"c",3.5,2026-01-03\n', b""), "rows"),
        ((b'"c"', b'"cc"'), "name: characters"),
        ((b'"c"', b'""'), "name: filled"),
        ((b'"c"', b""), "name: present"),
        ((b",3.5,", b",3.6,"), "amount: sum"),
        ((b"2026-01-03", b"2026-01-04"), "day: greatest"),
        ((b"2026-01-01", b"2025-12-31"), "day: least"),
    ],
)
def test_rows_that_do_not_add_up_to_the_snapshot_are_not_published(
    database: SourceDatabase, tmp_path: Path, damage: tuple[bytes, bytes], named: str
) -> None:
    database.execute("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(9), amount DOUBLE, day DATE)")
    database.execute("ALTER TABLE t MODIFY amount DECIMAL(5,1)")
    database.execute(
        "INSERT INTO t VALUES (1, 'a', 1, '2026-01-01'), (2, 'b', 2, '2026-01-02'), (3, 'c', 3.5, '2026-01-03')"
    )
    target = LosesRows(tmp_path, (b"", b""))
    copy_table(database, target, "t", FIRST)
    target.damage = damage
    with pytest.raises(SnapshotDiffers, match=named):
        copy_table(database, target, "t", SECOND)
    target.close()
    assert read(tmp_path, "SELECT count(*) FROM snapshot_current.t") == [(3,)]
    assert read(tmp_path, "SELECT snapshot FROM snapshots") == [(FIRST,)]


def test_names_of_the_source_may_be_anything(database: SourceDatabase, target: DuckdbTarget, tmp_path: Path) -> None:
    table, column = "odd \"name'; --", "c\"o`l'u,m\\n; DROP TABLE x -- é".replace("`", "``")
    database.execute(
        f"CREATE TABLE `{table}` (`select` INT, `{column}` TEXT, installation INT, `Snapshot` INT, ` x` INT)"
    )
    database.execute(f"INSERT INTO `{table}` VALUES (1, 'v', 2, 3, 4)")
    copy_table(database, target, "odd", FIRST, Table(source=table))
    assert read(tmp_path, "SELECT * FROM snapshot_current.odd") == [("berlin", 1, "v", 2, 3, 4)]
    described = read(tmp_path, "DESCRIBE snapshot_history.odd")
    assert [name for name, *_ in described] == [
        "installation", "snapshot", "select", column.replace("``", "`"),
        "installation_in_source", "Snapshot_in_source", " x",
    ]  # fmt: skip


def test_tables_without_key_with_one_column_and_without_rows_are_copied(
    database: SourceDatabase, target: DuckdbTarget, tmp_path: Path
) -> None:
    database.execute("CREATE TABLE lonely (note VARCHAR(5))")
    copy_table(database, target, "lonely", FIRST)
    assert read(tmp_path, "SELECT count(*) FROM snapshot_current.lonely") == [(0,)]
    database.execute("INSERT INTO lonely VALUES (NULL), (''), ('x'), (NULL)")
    copy_table(database, target, "lonely", SECOND)
    assert read(tmp_path, "SELECT count(*), count(note), max(note) FROM snapshot_current.lonely") == [(4, 2, "x")]


def test_a_view_and_generated_and_hidden_columns_are_copied(database: SourceDatabase, target: DuckdbTarget) -> None:
    database.execute(
        "CREATE TABLE base (id INT PRIMARY KEY, twice INT AS (id * 2) VIRTUAL, secret INT INVISIBLE DEFAULT 5)"
    )
    database.execute("INSERT INTO base (id) VALUES (4)")
    database.execute("CREATE VIEW shown AS SELECT id, twice FROM base")
    copy_table(database, target, "base", FIRST)
    copy_table(database, target, "shown", FIRST)
    assert list(target.rows("berlin", "base", ["id", "twice", "secret"])) == [(4, 8, 5)]
    assert list(target.rows("berlin", "shown", ["id", "twice"])) == [(4, 8)]


@pytest.mark.parametrize(
    ("declared", "error", "named"),
    [
        ("CREATE TABLE t (id INT) ENGINE=MyISAM", TableRefused, "MyISAM"),
        ("CREATE SEQUENCE t", TableRefused, "no snapshot"),
        ("CREATE TABLE other (id INT)", TableRefused, "t"),
        ("CREATE TABLE t (a INT, installation INT, installation_in_source INT)", TypeRefused, "installation_in_source"),
    ],
)
def test_what_cannot_be_copied_is_refused_by_name(
    database: SourceDatabase, target: DuckdbTarget, declared: str, error: type[SpoolError], named: str
) -> None:
    database.execute(declared)
    with pytest.raises(error, match=named) as refused:
        copy_table(database, target, "t", FIRST)
    assert refused.value.hint
    assert target.history("berlin", "t") == []


def test_a_table_that_is_altered_after_the_snapshot_began_ends_it(database: SourceDatabase) -> None:
    database.execute("CREATE TABLE t (id INT)")
    with SnapshotTransaction(database.connect) as source:
        database.execute("ALTER TABLE t ADD COLUMN later INT, ALGORITHM = COPY")
        with pytest.raises(SnapshotBroken):
            table_shape(source, "t")


def test_a_snapshot_does_not_depend_on_the_settings_of_the_server(
    database: SourceDatabase, target: DuckdbTarget
) -> None:
    database.execute("CREATE TABLE t (id INT, at TIMESTAMP, name CHAR(5), text_ VARCHAR(9))")
    database.execute("INSERT INTO t VALUES (1, '2026-07-01 12:00:00', 'a', 'x\\\\y')")

    def connect() -> object:
        connection = database.connect()
        connection.query(
            "SET sql_mode = 'ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES', time_zone = '-11:00'"
        )
        connection.query("SET NAMES latin1")
        return connection

    copy_unit(config_of(["berlin"], {"t": Table()}), Unit("berlin", ("t",)), connect, target, FIRST)
    ((_, at, name, text),) = target.rows("berlin", "t", ["id", "at", "name", "text_"])
    assert (str(at), name, text) == ("2026-07-01 12:00:00", "a", "x\\y")


def test_an_account_that_may_only_select_is_enough(
    database: SourceDatabase, mariadb_source: Server, target: DuckdbTarget
) -> None:
    database.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    database.execute("INSERT INTO t VALUES (1)")
    database.execute("CREATE OR REPLACE USER reader@localhost IDENTIFIED BY 'reads'")

    def connect() -> object:
        return MySQLdb.connect(
            unix_socket=mariadb_source.socket, user="reader", password="reads", database=database.name
        )

    config = config_of(["berlin"], {"t": Table()})
    database.execute(f"GRANT INSERT ON {database.name}.t TO reader@localhost")
    with pytest.raises(TableRefused, match="SELECT"):
        copy_unit(config, Unit("berlin", ("t",)), connect, target, FIRST)
    database.execute(f"GRANT SELECT ON {database.name}.t TO reader@localhost")
    (copied,) = copy_unit(config, Unit("berlin", ("t",)), connect, target, FIRST)
    assert (copied.rows, copied.gtid != "") == (1, True)


@pytest.mark.parametrize("broken", ["berlin", "lisbon", "madrid"])
def test_an_installation_that_fails_is_named_and_stops_no_other(
    database: SourceDatabase, tmp_path: Path, broken: str
) -> None:
    """The first, the one in the middle and the last of three."""
    database.execute("CREATE TABLE participants (id INT PRIMARY KEY)")
    database.execute("INSERT INTO participants VALUES (1), (2)")
    config = config_of(["berlin", "lisbon", "madrid"], {"participants": Table()})
    emitted = []

    def connect_to(name: str) -> object:
        if name == broken:
            raise SettingsError(f"SPILLWAY_{name.upper()}_URI is not set")
        return database.connect

    sync = Sync(config, connect_to, lambda: DuckdbTarget(tmp_path, memory_mb=256), FIRST, emit=emitted.append)
    results = each_unit(config.units(), lambda unit: sync_unit(sync, unit))
    assert [result.unit.installation for result in results if result.error] == [broken]
    with pytest.raises(SpoolError, match=f"1 of 3 units failed: {broken}/participants"):
        demand_all(results)
    held = read(tmp_path, "SELECT installation, count(*) FROM snapshot_current.participants GROUP BY ALL ORDER BY ALL")
    assert held == [(name, 2) for name in ("berlin", "lisbon", "madrid") if name != broken]
    assert [(event.type, event.installation) for event in emitted] == [
        (f"warehouse.snapshot_{'failed' if name == broken else 'published'}", name)
        for name in ("berlin", "lisbon", "madrid")
    ]


def test_a_row_that_was_deleted_is_in_the_older_snapshots_only_and_these_are_kept_as_configured(
    database: SourceDatabase, target: DuckdbTarget, tmp_path: Path
) -> None:
    database.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    database.execute("INSERT INTO t VALUES (1), (2)")
    copy_table(database, target, "t", FIRST, Table(snapshots=2))
    database.execute("DELETE FROM t WHERE id = 1")
    copy_table(database, target, "t", SECOND, Table(snapshots=2))
    assert read(tmp_path, "SELECT id FROM snapshot_current.t") == [(2,)]
    assert read(tmp_path, "SELECT snapshot, count(*) FROM snapshot_history.t GROUP BY ALL ORDER BY ALL") == [
        (FIRST, 2),
        (SECOND, 1),
    ]
    copy_table(database, target, "t", "20261125T110000Z", Table(snapshots=2))
    assert read(tmp_path, "SELECT DISTINCT snapshot FROM snapshot_history.t ORDER BY ALL") == [
        (SECOND,), ("20261125T110000Z",),
    ]  # fmt: skip


def test_installations_whose_tables_differ_are_united_by_name(
    database: SourceDatabase, mariadb_source: Server, target: DuckdbTarget, tmp_path: Path
) -> None:
    newer = SourceDatabase(mariadb_source)
    database.execute("CREATE TABLE t (id INT PRIMARY KEY, old INT)")
    database.execute("INSERT INTO t VALUES (1, 10)")
    newer.execute("CREATE TABLE t (new TEXT, id BIGINT UNSIGNED PRIMARY KEY)")
    newer.execute("INSERT INTO t VALUES ('x', 18446744073709551615)")
    copy_table(database, target, "t", FIRST)
    copy_table(newer, target, "t", FIRST, installation="madrid")
    newer.drop()
    rows = read(tmp_path, "SELECT installation, id, old, new FROM snapshot_current.t ORDER BY ALL")
    assert rows == [("berlin", 1, 10, None), ("madrid", 2**64 - 1, None, "x")]
