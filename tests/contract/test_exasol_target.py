"""What the Exasol target does beyond the contract: what goes wrong on the way, and what readers see in Exasol."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from include.warehouse.column_types.digest import ColumnDigest
from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.errors import WarehouseRefused, WarehouseUnavailable
from include.warehouse.target.exasol_session import ATTEMPTS, ExasolSession, connect_to
from include.warehouse.target.exasol_target import ExasolTarget
from include.warehouse.target.port import Produce, Publication, SnapshotRecord, TargetTable, Write
from tests.support.exasol.faults import Fault
from tests.support.exasol.server import ExasolServer
from tests.support.exasol_database import ExasolDatabase

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("driver_leftovers"),
]

OLD, NEW = "20261125T090000Z", "20261125T100000Z"
ID = MappedColumn("id", "bigint", "exact", "`id`", "BIGINT", "DECIMAL(19,0)", nullable=False)
NAME = MappedColumn("name", "varchar(40)", "text", "`name`", "VARCHAR", "VARCHAR(40) UTF8", nullable=False)
TABLE = TargetTable("berlin", "participants", (ID, NAME), ("id",))
CURRENT = "SELECT INSTALLATION, ID, NAME FROM SNAPSHOT_CURRENT.PARTICIPANTS ORDER BY 1, 2"


@pytest.fixture
def target(exasol_server: ExasolDatabase) -> Iterator[ExasolTarget]:
    with exasol_server.empty_warehouse() as opened:
        yield opened


def lines(*rows: str) -> Produce:
    return lambda write: write("".join(f"{row}\n" for row in rows).encode())


def many(rows: int) -> Produce:
    def produce(write: Write) -> None:
        for number in range(rows):
            write(b'%d,"name"\n' % number)

    return produce


def publish(target: ExasolTarget, snapshot: str, *rows: str, table: TargetTable = TABLE) -> None:
    staged = target.load(table, snapshot, lines(*rows))
    target.publish([Publication(staged, record(snapshot, table))])


def record(snapshot: str, table: TargetTable = TABLE) -> SnapshotRecord:
    return SnapshotRecord(table.installation, table.name, snapshot, "2026-11-25 09:00:00.0", 1, 0)


def test_readers_need_no_quotes_and_see_all_installations(target: ExasolTarget, exasol_server: ExasolDatabase) -> None:
    publish(target, OLD, '1,"a"')
    publish(target, OLD, '1,"b"', '2,""', table=TargetTable("madrid", "participants", TABLE.columns, TABLE.key))
    assert exasol_server.run("SELECT installation, id, name FROM snapshot_current.participants ORDER BY 1, 2") == [
        ("berlin", "1", "a"),
        ("madrid", "1", "b"),
        ("madrid", "2", None),
    ]


def test_installations_whose_columns_differ_are_united_in_one_view(
    target: ExasolTarget, exasol_server: ExasolDatabase
) -> None:
    age = MappedColumn("age", "int", "exact", "`age`", "INTEGER", "DECIMAL(10,0)", nullable=True)
    wide = MappedColumn("id", "varchar(9)", "text", "`id`", "VARCHAR", "VARCHAR(9) UTF8", nullable=False)
    publish(target, OLD, '1,"a"')
    publish(target, OLD, '"x",7', table=TargetTable("madrid", "participants", (wide, age), ("id",)))
    selected = exasol_server.run("SELECT installation, id, name, age FROM snapshot_current.participants ORDER BY 1")
    assert selected == [("berlin", "1", "a", None), ("madrid", "x", None, 7)]


def test_a_polling_reader_sees_the_old_rows_or_the_new_ones_and_never_both_or_none(
    target: ExasolTarget, exasol_server: ExasolDatabase
) -> None:
    publish(target, OLD, '0,"a"')
    reader, seen, is_over = exasol_server.connect(), [], threading.Event()

    def poll() -> None:
        while not is_over.is_set():
            seen.append(reader.execute(CURRENT).fetchall())

    polling = threading.Thread(target=poll)
    polling.start()
    for number in range(1, 6):
        publish(target, f"20261125T1{number}0000Z", f'{number},"a"')
    is_over.set()
    polling.join()
    reader.close()
    assert {len(rows) for rows in seen} == {1}
    numbers = [int(rows[0][1]) for rows in seen]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("fault", [Fault.TUNNEL_DROPPED, Fault.WRONG_PIN, Fault.OVERFLOW])
def test_a_load_that_breaks_leaves_nothing_and_the_next_one_succeeds(
    target: ExasolTarget, protocol_server: ExasolServer, exasol_server: ExasolDatabase, fault: Fault
) -> None:
    publish(target, OLD, '1,"old"')
    protocol_server.faults.plan(fault, after=1000 if fault is Fault.TUNNEL_DROPPED else 0)
    error = WarehouseRefused if fault is Fault.OVERFLOW else WarehouseUnavailable
    with pytest.raises(error):
        target.load(TABLE, NEW, many(50_000))
    assert protocol_server.faults.left == 0
    assert target.prune_unfinished("berlin", "participants") == []
    assert exasol_server.run(CURRENT) == [("berlin", "1", "old")]
    assert target.digest(target.load(TABLE, NEW, many(5))).rows == 5


@pytest.mark.parametrize("spared", range(6))
def test_a_publication_that_is_rolled_back_at_any_statement_is_tried_again(
    target: ExasolTarget, protocol_server: ExasolServer, exasol_server: ExasolDatabase, spared: int
) -> None:
    publish(target, OLD, '1,"old"')
    staged = target.load(TABLE, NEW, lines('2,"new"'))
    protocol_server.faults.plan(Fault.ROLLED_BACK, after=spared)
    target.publish([Publication(staged, record(NEW))])
    assert exasol_server.run(CURRENT) == [("berlin", "2", "new")]
    assert [kept.snapshot for kept in target.history("berlin", "participants")] == [OLD, NEW]
    assert protocol_server.faults.left == 0


def test_a_transaction_that_is_rolled_back_again_and_again_is_given_up(
    protocol_server: ExasolServer, exasol_server: ExasolDatabase
) -> None:
    pauses: list[float] = []
    session = ExasolSession(connect_to(exasol_server.options), pause=pauses.append)
    protocol_server.faults.plan(Fault.ROLLED_BACK, times=ATTEMPTS)
    with pytest.raises(WarehouseUnavailable, match=f"{ATTEMPTS} times"):
        session.transaction(lambda: session.query("SELECT 1"))
    assert len(pauses) == ATTEMPTS - 1
    assert session.transaction(lambda: session.query("SELECT 1")) == [(1,)]
    session.close()


def test_a_database_that_goes_away_leaves_the_old_rows_and_is_found_again(
    target: ExasolTarget, protocol_server: ExasolServer, exasol_server: ExasolDatabase
) -> None:
    publish(target, OLD, '1,"old"')
    staged = target.load(TABLE, NEW, lines('2,"new"'))
    protocol_server.disconnect_all()
    with pytest.raises(WarehouseUnavailable):
        target.publish([Publication(staged, record(NEW))])
    assert exasol_server.run(CURRENT) == [("berlin", "1", "old")]
    target.publish([Publication(staged, record(NEW))])
    assert exasol_server.run(CURRENT) == [("berlin", "2", "new")]


def test_what_a_killed_load_left_behind_is_pruned_and_a_kept_snapshot_is_not(target: ExasolTarget) -> None:
    publish(target, OLD, '1,"a"')
    left = target.load(TABLE, NEW, lines('2,"b"'))
    like = TargetTable("berlin_2", "participants", TABLE.columns, TABLE.key)
    spared = target.load(like, NEW, lines('3,"c"'))
    assert target.prune_unfinished("berlin", "participants") == [left.place]
    assert target.digest(spared).rows == 1
    assert target.current("berlin", "participants") == record(OLD)


def test_an_empty_text_in_a_key_is_merged_and_compared_as_one(
    target: ExasolTarget, exasol_server: ExasolDatabase
) -> None:
    keyed = TargetTable("berlin", "participants", TABLE.columns, ("name",))
    publish(target, OLD, '1,""', '2,"b"', '3,"c"', table=keyed)
    merged = target.merge(keyed, lines('9,""'), lines('"c"'), record(OLD))
    assert merged == (2, 1, 1)
    assert exasol_server.run("SELECT ID FROM SNAPSHOT_CURRENT.PARTICIPANTS ORDER BY 1") == [("2",), ("9",)]
    assert target.differing_keys(keyed, lines('""', '"z"'), limit=9) == ((b'"z"',), (b'"b"',), 1, 1)


def test_sums_beyond_36_digits_are_left_out_and_all_else_is_compared(target: ExasolTarget) -> None:
    nines = "9" * 36
    wide = MappedColumn("n", "decimal(36,0)", "exact", "`n`", "DECIMAL(36,0)", "DECIMAL(36,0)", nullable=True)
    staged = target.load(TargetTable("berlin", "wide", (ID, wide)), OLD, lines(f"1,{nines}", f"2,{nines}", "3,"))
    digest = target.digest(staged)
    assert digest.columns["n"] == ColumnDigest(2, least=nines, greatest=nines)
    assert digest.columns["id"].sum == "6"


def test_a_name_with_a_dot_is_refused_before_anything_is_made(target: ExasolTarget) -> None:
    dotted = MappedColumn("a.b", "int", "exact", "`a.b`", "INTEGER", "DECIMAL(10,0)", nullable=True)
    with pytest.raises(WarehouseRefused, match=r"a\.b"):
        target.load(TargetTable("berlin", "dotted", (dotted,)), OLD, lines("1"))
    assert target.prune_unfinished("berlin", "dotted") == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"password": "wrong"}, WarehouseRefused),
        ({"dsn": "127.0.0.1/" + "0" * 64 + ":{port}"}, WarehouseRefused),
        ({"dsn": "127.0.0.1/" + "0" * 64 + ":1"}, WarehouseUnavailable),
    ],
    ids=["a wrong password", "another certificate", "nobody there"],
)
def test_a_connection_that_fails_is_final_or_not(
    protocol_server: ExasolServer, exasol_server: ExasolDatabase, options: dict[str, str], error: type[Exception]
) -> None:
    filled = {name: value.format(port=protocol_server.port) for name, value in options.items()}
    target = ExasolTarget(connect_to(dict(exasol_server.options) | filled), schema="nothing")
    with pytest.raises(error) as raised:
        target.current("berlin", "participants")
    assert "exasol" not in str(raised.value).replace("Exasol", ""), "no part of the password"
    target.close()
