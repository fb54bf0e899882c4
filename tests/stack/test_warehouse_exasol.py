"""From a real MariaDB into the test server of Exasol's protocol: as a library and on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.warehouse.__main__ import main
from include.warehouse.config import ExasolTarget as ExasolSettings
from include.warehouse.config import Installation, Table, WarehouseConfig, WarehouseFile
from include.warehouse.sync import Sync, reconcile_unit, sync_unit
from include.warehouse.target.exasol_target import ExasolTarget
from spool.command_line import ExitCode
from tests.support.datasync import changes, client
from tests.support.exasol.faults import Fault
from tests.support.exasol.server import ExasolServer
from tests.support.exasol_database import ExasolDatabase, of_server
from tests.support.mariadb import Server
from tests.support.warehouse import SourceDatabase, copy_table
from tests.support.worst_values import WORST

pytestmark = [
    pytest.mark.stack,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("driver_leftovers"),
]
ID = "20261125T093000Z"
CONFIG = """version: 1
target: {kind: exasol, connection: warehouse_test, schema: cli}
installations:
  berlin: {connection: berlin}
  lisbon: {connection: lisbon}
tables:
  participants: {}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ExasolServer]:
    with ExasolServer() as running:
        yield running


@pytest.fixture
def exasol(server: ExasolServer) -> ExasolDatabase:
    return of_server(server)


@pytest.fixture
def target(exasol: ExasolDatabase) -> Iterator[ExasolTarget]:
    with exasol.empty_warehouse() as opened:
        yield opened


@pytest.fixture
def database(mariadb_source: Server) -> Iterator[SourceDatabase]:
    opened = SourceDatabase(mariadb_source)
    yield opened
    opened.drop()


def test_worst_values_of_every_type_arrive_with_the_same_sums(
    database: SourceDatabase, target: ExasolTarget, exasol: ExasolDatabase
) -> None:
    """The copy itself compares count, sum, limits and lengths of each column; some values are looked at as well."""
    names = {declaration: f"c{number}" for number, declaration in enumerate(WORST)}
    columns = ", ".join(f"{name} {declaration}" for declaration, name in names.items())
    database.execute(f"CREATE TABLE worst (id INT PRIMARY KEY, {columns})")
    inserts = [(names[declaration], sql) for declaration, values in WORST.items() for sql, _ in values]
    for number, (name, sql) in enumerate(inserts):
        database.execute(f"INSERT INTO worst (id, {name}) VALUES ({number}, {sql})")
    copied = copy_table(database, target, "worst", ID)
    assert (copied.rows, copied.rejected) == (len(inserts), 0)

    def held(declaration: str) -> set[object]:
        name = names[declaration]
        return {value for (value,) in target.rows("berlin", "worst", [name]) if value is not None}

    assert held("BIGINT UNSIGNED") == {str(2**64 - 1), "0"}
    assert held("DECIMAL(65,30)") == {"9" * 35 + "." + "9" * 30, "-0.5" + "0" * 29}
    assert held("BIT(1)") == {True, False}
    assert held("VARCHAR(100)") == {" ", "NULL", "\\N", '😀 "q", \r\n#'}
    assert held("VARBINARY(10)") == {"00", "2C22"}
    assert held("DATETIME(6)") == {"0001-01-01 00:00:00.000001", "2026-03-29 02:30:00.500000"}
    assert held("TIME") == {"838:59:59", "-838:59:59", "00:00:00"}


def test_text_beyond_exasols_longest_is_rejected_and_counted(database: SourceDatabase, target: ExasolTarget) -> None:
    database.execute("CREATE TABLE letters (id INT PRIMARY KEY, body LONGTEXT)")
    database.execute("INSERT INTO letters VALUES (1, REPEAT('x', 2000001)), (2, REPEAT('ü', 2000000))")
    copied = copy_table(database, target, "letters", ID)
    assert (copied.rows, copied.rejected, copied.rejected_by) == (1, 1, {"body": 1})


def test_changes_of_a_published_table_are_in_the_stream_once_also_where_empty_texts_are_null(
    database: SourceDatabase, target: ExasolTarget, tmp_path: Path
) -> None:
    database.execute(
        "CREATE TABLE t (id INT, name VARCHAR(9), at DATETIME(3), amount DECIMAL(9,3), ratio DOUBLE, flag BIT(1),"
        " raw VARBINARY(4), PRIMARY KEY (id, name))"
    )
    database.execute(
        "INSERT INTO t VALUES (1, '', '2026-01-02 03:04:05.600', 1.5, 0.1, 1, x'00FF'), (2, 'b', NULL, 0, 1e300, 0, '')"
    )
    settings = Table(mode="watermark", watermark_column="id", publish=True)
    known = WarehouseFile(
        ExasolSettings(kind="exasol"), {"berlin": Installation(connection="berlin")}, {"t": settings}, tmp_path / "j"
    )
    sync = Sync(
        WarehouseConfig(known), lambda name: database.connect, lambda: target, ID,
        open_spool=lambda: client(tmp_path / "spool"),
    )  # fmt: skip
    (unit,) = sync.config.units()
    for _ in range(2):
        sync_unit(sync, unit)
    assert changes(tmp_path / "spool") == [], "rows that are read again are no changes"
    database.execute("UPDATE t SET amount = 2.25 WHERE id = 2")
    database.execute("DELETE FROM t WHERE id = 1")
    for _ in range(2):
        sync_unit(sync, unit)
        reconcile_unit(sync, unit)
    updated, deleted = changes(tmp_path / "spool")
    assert (updated["operation"], updated["primary_key"], updated["after"]["amount"]) == ("update", ["2", "b"], "2.250")
    assert (deleted["operation"], deleted["primary_key"], deleted["before"]["at"]) == (
        "delete", ["1", ""], "2026-01-02 03:04:05.600",
    )  # fmt: skip


def test_the_command_line_copies_into_exasol_and_one_that_fails_stops_no_other(
    database: SourceDatabase, server: ExasolServer, exasol: ExasolDatabase, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    database.execute("CREATE TABLE participants (id INT PRIMARY KEY, note TEXT)")
    database.execute("INSERT INTO participants VALUES (1, 'a'), (2, '')")
    config = tmp_path / "warehouse.yml"
    config.write_text(CONFIG)
    monkeypatch.delenv("SPOOL_FOLDER", raising=False)
    for name in ("BERLIN", "LISBON"):
        monkeypatch.setenv(f"SPILLWAY_{name}_URI", database.url)
    uri = f"exasol://{server.account.user}:{server.account.password}@127.0.0.1:{server.port}"
    monkeypatch.setenv("SPILLWAY_WAREHOUSE_TEST_URI", f"{uri}/?fingerprint={server.certificate.fingerprint}")
    server.faults.plan(Fault.TUNNEL_DROPPED)
    assert main(["sync", "--config", str(config), "--json"]) != ExitCode.DONE
    first = capsys.readouterr()
    copied = [json.loads(line) for line in first.out.splitlines()]
    assert [one["installation"] for one in copied if "rows" in one] == ["lisbon"]
    assert main(["sync", "--config", str(config), "--installation", "berlin", "--json"]) == ExitCode.DONE
    selected = exasol.run("SELECT installation, id, note FROM snapshot_current.participants ORDER BY 1, 2")
    assert selected == [("berlin", 1, "a"), ("berlin", 2, None), ("lisbon", 1, "a"), ("lisbon", 2, None)]
    monkeypatch.delenv("SPILLWAY_WAREHOUSE_TEST_URI")
    assert main(["history", "--config", str(config), "--json"]) == ExitCode.FAILED
    assert "SPILLWAY_WAREHOUSE_TEST_URI" in capsys.readouterr().err
