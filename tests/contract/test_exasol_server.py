"""The test server of Exasol's protocol against an unmodified pyexasol: what the driver asks for is answered."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pyexasol
import pytest

from tests.support.exasol.faults import Fault
from tests.support.exasol.server import ExasolServer

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("driver_leftovers"),
]

Connect = Callable[..., Any]


@pytest.fixture(scope="module")
def server() -> Iterator[ExasolServer]:
    with ExasolServer() as running:
        yield running


@pytest.fixture
def connect(server: ExasolServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Connects to the server, or to another one; what is open at the end is closed."""
    monkeypatch.setenv("EXASOL_TELEMETRY_DISABLE", "1")
    opened: list[Any] = []

    def connect_to(to: ExasolServer = server, **options: Any) -> Any:
        wanted = {"dsn": to.dsn, "user": to.account.user, "password": to.account.password} | options
        opened.append(pyexasol.connect(**wanted))
        return opened[-1]

    yield connect_to
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(connect: Connect) -> Any:
    """In a schema of its own."""
    made = connect()
    made.execute("DROP SCHEMA IF EXISTS work CASCADE")
    made.execute("CREATE SCHEMA work")
    return made


def rows(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    return list(connection.execute(sql).fetchall())


@pytest.mark.parametrize("compression", [False, True])
def test_a_client_logs_in_by_fingerprint_by_certificate_without_a_check_and_without_tls(
    server: ExasolServer, connect: Connect, compression: bool
) -> None:
    plain = f"127.0.0.1:{server.port}"
    checked = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": str(server.certificate.path)}
    for options in (
        {},
        {"dsn": plain, "websocket_sslopt": checked},
        {"dsn": f"127.0.0.1/nocertcheck:{server.port}"},
        {"dsn": plain, "encryption": False},
    ):
        connection = connect(compression=compression, **options)
        assert rows(connection, "SELECT 'ü😀' AS t, 1.50 AS n") == [("ü😀", "1.5")]


def test_a_wrong_fingerprint_a_wrong_password_and_a_certificate_of_nobody_are_refused(
    server: ExasolServer, connect: Connect
) -> None:
    with pytest.raises(pyexasol.ExaConnectionFailedError):
        connect(dsn=f"127.0.0.1/{'0' * 64}:{server.port}")
    with pytest.raises(pyexasol.ExaConnectionFailedError):
        connect(dsn=f"127.0.0.1:{server.port}")
    with pytest.raises(pyexasol.ExaAuthError, match="authentication failed"):
        connect(password="wrong")


def test_values_of_every_type_come_as_the_database_sends_them(connection: Any) -> None:
    connection.execute(
        "CREATE TABLE t (small DECIMAL(18,0), large DECIMAL(20,0), amount DECIMAL(12,2), d DOUBLE, b BOOLEAN, "
        "day DATE, moment TIMESTAMP(6), text VARCHAR(10) UTF8)"
    )
    connection.execute(
        "INSERT INTO t VALUES (1, 18446744073709551615, 0.70, 0.1, TRUE, DATE '2026-11-25', "
        "TIMESTAMP '2026-11-25 09:30:00.5', '')"
    )
    expected = (1, "18446744073709551615", "0.7", 0.1, True, "2026-11-25", "2026-11-25 09:30:00.500000", None)
    assert rows(connection, "SELECT * FROM t") == [expected]
    described = connection.execute("SELECT large, text FROM t").columns()
    assert described["LARGE"]["precision"] == 20
    assert described["TEXT"]["size"] == 10


def test_a_large_result_is_fetched_by_its_handle(connection: Any) -> None:
    connection.execute("CREATE TABLE t (n DECIMAL(10,0), text VARCHAR(100) UTF8)")
    connection.import_from_iterable(((number, "x" * 90) for number in range(5000)), "T")
    found = connection.execute("SELECT n, text FROM t ORDER BY n")
    assert found.rowcount() == 5000
    assert [row[0] for row in found] == list(range(5000))


def test_a_prepared_statement_takes_rows_and_stores_an_empty_text_as_null(connection: Any) -> None:
    connection.execute("CREATE TABLE t (n DECIMAL(10,0), text VARCHAR(10) UTF8)")
    connection.ext.insert_multi("T", [(1, "a"), (2, ""), (3, None)])
    assert rows(connection, "SELECT n FROM t WHERE text IS NULL ORDER BY n") == [(2,), (3,)]


@pytest.mark.parametrize("compression", [False, True])
@pytest.mark.parametrize("encryption", [False, True])
def test_rows_go_in_and_out_through_tunnels(
    server: ExasolServer, connect: Connect, compression: bool, encryption: bool
) -> None:
    dsn = server.dsn if encryption else f"127.0.0.1:{server.port}"
    connection = connect(dsn=dsn, encryption=encryption, compression=compression)
    connection.execute("CREATE OR REPLACE TABLE work.t (n DECIMAL(10,0), text VARCHAR(100) UTF8)")
    given = [(number, 'ü, "quoted"\nline' if number % 2 else None) for number in range(2000)]
    connection.import_from_iterable(given, ("WORK", "T"))
    exported = connection.export_to_list("SELECT n, text FROM work.t")
    assert sorted(exported) == sorted([str(number), text or ""] for number, text in given)


def test_several_tunnels_carry_one_import(server: ExasolServer, connection: Any) -> None:
    connection.execute("CREATE TABLE t (n DECIMAL(10,0))")
    tunnels = [pyexasol.http_transport("127.0.0.1", server.port) for _ in range(2)]
    senders = [
        threading.Thread(target=tunnel.import_from_callback, args=(_write, [number]))
        for number, tunnel in enumerate(tunnels)
    ]
    for sender in senders:
        sender.start()
    connection.import_parallel([tunnel.exa_address for tunnel in tunnels], "T")
    for sender in senders:
        sender.join()
    assert rows(connection, "SELECT n FROM t ORDER BY n") == [(0,), (1,)]


def test_definitions_of_tables_are_part_of_a_transaction(connection: Any, connect: Connect) -> None:
    reader = connect(schema="WORK")
    connection.execute("CREATE TABLE t (n DECIMAL(10,0))")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.set_autocommit(False)
    connection.execute("CREATE TABLE t_new (n DECIMAL(10,0))")
    connection.execute("INSERT INTO t_new VALUES (2)")
    connection.execute("RENAME TABLE t TO t_old")
    connection.execute("RENAME TABLE t_new TO t")
    connection.execute("DROP TABLE t_old")
    assert rows(reader, "SELECT n FROM t") == [(1,)]
    connection.commit()
    assert rows(reader, "SELECT n FROM t") == [(2,)]
    connection.execute("DELETE FROM t")
    connection.rollback()
    assert rows(reader, "SELECT n FROM t") == [(2,)]


def test_a_merge_updates_deletes_and_inserts(connection: Any) -> None:
    connection.execute("CREATE TABLE t (n DECIMAL(10,0), v VARCHAR(9) UTF8)")
    connection.execute("CREATE TABLE s (n DECIMAL(10,0), v VARCHAR(9) UTF8)")
    connection.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    connection.execute("INSERT INTO s VALUES (1, 'A'), (2, 'gone'), (3, 'c')")
    connection.execute(
        "MERGE INTO t USING s ON t.n = s.n WHEN MATCHED THEN UPDATE SET t.v = s.v DELETE WHERE s.v = 'gone' "
        "WHEN NOT MATCHED THEN INSERT VALUES (s.n, s.v)"
    )
    assert rows(connection, "SELECT n, v FROM t ORDER BY n") == [(1, "A"), (3, "c")]


def test_two_transactions_that_collide_end_with_40001(connection: Any, connect: Connect) -> None:
    connection.execute("CREATE TABLE t (n DECIMAL(10,0))")
    connection.execute("INSERT INTO t VALUES (1)")
    first, second = connect(schema="WORK", autocommit=False), connect(schema="WORK", autocommit=False)
    first.execute("UPDATE t SET n = 2")
    with pytest.raises(pyexasol.ExaQueryError) as raised:
        second.execute("UPDATE t SET n = 3")
    assert raised.value.code == "40001"
    first.commit()
    assert rows(connection, "SELECT n FROM t") == [(2,)]


def test_a_running_statement_can_be_aborted_and_times_out(connection: Any) -> None:
    endless = "SELECT COUNT(*) FROM (SELECT a.range FROM range(100000) a, range(100000) b, range(100000) c)"
    aborting = threading.Timer(0.3, connection.abort_query)
    aborting.start()
    with pytest.raises(pyexasol.ExaQueryAbortError):
        connection.execute(endless)
    aborting.join()
    connection.set_query_timeout(1)
    with pytest.raises(pyexasol.ExaQueryTimeoutError):
        connection.execute(endless)


def test_the_client_finds_schemas_tables_columns_and_keywords(connection: Any) -> None:
    connection.execute("CREATE TABLE t (n DECIMAL(10,0), v VARCHAR(9) UTF8)")
    assert connection.meta.schema_exists("work")
    assert connection.meta.table_exists("t")
    assert not connection.meta.table_exists("u")
    assert [(one["COLUMN_NAME"], one["COLUMN_TYPE"]) for one in connection.meta.list_columns("WORK", "T")] == [
        ("N", "DECIMAL(10,0)"),
        ("V", "VARCHAR(9) UTF8"),
    ]
    assert "SELECT" in connection.meta.list_sql_keywords()


@pytest.mark.parametrize(
    ("values", "code"),
    [(["123456"], "22001"), (["1", "x,y,z"], "22000")],
    ids=["a text longer than its column", "more values than columns"],
)
def test_an_import_that_fails_leaves_no_row(connection: Any, values: list[str], code: str) -> None:
    connection.execute("CREATE TABLE t (v VARCHAR(5) UTF8)")
    with pytest.raises((pyexasol.ExaError, OSError)) as raised:
        connection.import_from_callback(_write, values, "T")
    assert code in {getattr(error, "code", None) for error in _causes(raised.value)}
    assert rows(connection, "SELECT COUNT(*) FROM t") == [(0,)]


def test_an_import_whose_client_fails_or_sends_nothing_leaves_no_row(connection: Any) -> None:
    connection.execute("CREATE TABLE t (n DECIMAL(10,0))")

    def fail(pipe: Any, source: Any) -> None:
        pipe.write(b"1\n")
        raise ConnectionError("the source went away")

    for callback, given in ((fail, None), (_write, [])):
        with pytest.raises((pyexasol.ExaError, OSError, ValueError)):
            connection.import_from_callback(callback, given, "T")
    assert rows(connection, "SELECT COUNT(*) FROM t") == [(0,)]


@pytest.mark.parametrize("fault", [Fault.TUNNEL_DROPPED, Fault.WRONG_PIN, Fault.OVERFLOW])
def test_a_planned_fault_fails_one_import_and_spares_the_next(
    server: ExasolServer, connection: Any, fault: Fault
) -> None:
    connection.execute("CREATE TABLE t (n DECIMAL(10,0))")
    server.faults.plan(fault, after=10 if fault is Fault.TUNNEL_DROPPED else 0)
    with pytest.raises((pyexasol.ExaError, OSError, ValueError)):
        connection.import_from_callback(_write, range(100_000), "T")
    assert rows(connection, "SELECT COUNT(*) FROM t") == [(0,)]
    connection.import_from_callback(_write, range(1000), "T")
    assert rows(connection, "SELECT COUNT(*) FROM t") == [(1000,)]
    assert server.faults.left == 0


def test_a_planned_rollback_undoes_the_transaction(server: ExasolServer, connection: Any) -> None:
    connection.execute("CREATE TABLE t (n DECIMAL(10,0))")
    connection.set_autocommit(False)
    connection.execute("INSERT INTO t VALUES (1)")
    server.faults.plan(Fault.ROLLED_BACK)
    with pytest.raises(pyexasol.ExaQueryError, match="40001"):
        connection.commit()
    assert rows(connection, "SELECT COUNT(*) FROM t") == [(0,)]


def test_a_connection_that_ends_in_a_transaction_leaves_nothing(
    server: ExasolServer, connection: Any, connect: Connect
) -> None:
    connection.execute("CREATE TABLE t (n DECIMAL(10,0))")
    dying = connect(schema="WORK", autocommit=False)
    dying.execute("INSERT INTO t VALUES (1)")
    server.faults.plan(Fault.SILENT)
    with pytest.raises(pyexasol.ExaCommunicationError):
        dying.execute("INSERT INTO t VALUES (2)")
    assert rows(connection, "SELECT COUNT(*) FROM t") == [(0,)]


def _write(pipe: Any, values: Any) -> None:
    for value in values:
        pipe.write(f"{value}\n".encode())


def _causes(error: BaseException) -> list[BaseException]:
    return [error, *(cause for one in getattr(error, "exceptions", ()) for cause in _causes(one))]
