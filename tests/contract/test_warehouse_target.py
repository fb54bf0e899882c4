"""What every warehouse does, on each of them: rows appear as a whole, changes with their record, and nothing half."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from include.warehouse.column_types.digest import ColumnDigest, differences
from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.errors import WarehouseRefused
from include.warehouse.target.duckdb_target import DuckdbTarget
from include.warehouse.target.port import (
    Produce,
    Publication,
    SnapshotRecord,
    TargetTable,
    WarehouseTarget,
    Write,
)
from tests.support.exasol_database import ExasolDatabase

OLD, NEW = "20261125T090000Z", "20261125T100000Z"

ID = MappedColumn("id", "bigint", "exact", "`id`", "BIGINT", "DECIMAL(19,0)", nullable=False)
NAME = MappedColumn("name", "varchar(40)", "text", "`name`", "VARCHAR", "VARCHAR(40) UTF8", nullable=True)
AMOUNT = MappedColumn("amount", "decimal(12,2)", "exact", "`amount`", "DECIMAL(12,2)", "DECIMAL(12,2)", nullable=True)
TABLE = TargetTable("berlin", "participants", (ID, NAME, AMOUNT), ("id",))


pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("driver_leftovers"),
]


@pytest.fixture(params=["duckdb", "exasol", pytest.param("real exasol", marks=pytest.mark.real_exasol)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WarehouseTarget]:
    """An empty warehouse."""
    if request.param == "duckdb":
        opened: WarehouseTarget = DuckdbTarget(tmp_path / "warehouse", memory_mb=256)
        yield opened
        opened.close()
    else:
        database: ExasolDatabase = request.getfixturevalue(
            "exasol_server" if request.param == "exasol" else "real_exasol"
        )
        with database.empty_warehouse() as opened:
            yield opened


def csv(*lines: str) -> Produce:
    """Writes lines in pieces that end anywhere."""

    def produce(write: Write) -> None:
        data = "".join(f"{line}\n" for line in lines).encode()
        for start in range(0, len(data), 7):
            write(data[start : start + 7])

    return produce


def csv_at_once(*lines: str) -> Produce:
    return lambda write: write("".join(f"{line}\n" for line in lines).encode())


def record(snapshot: str, rows: int, table: TargetTable = TABLE, gtid: str = "1-1-1") -> SnapshotRecord:
    return SnapshotRecord(table.installation, table.name, snapshot, "2026-11-25 09:00:00.0", rows, 0, gtid, "", "sha")


def published(target: WarehouseTarget, snapshot: str, *lines: str, table: TargetTable = TABLE) -> None:
    staged = target.load(table, snapshot, csv(*lines))
    target.publish([Publication(staged, record(snapshot, len(lines), table))])


def rows(target: WarehouseTarget, table: TargetTable = TABLE) -> list[tuple[object, ...]]:
    selected = target.rows(table.installation, table.name, ["id", "name", "amount"])
    return sorted((str(number), str(text), f"{Decimal(str(amount)):.2f}") for number, text, amount in selected)


def test_an_empty_warehouse_has_no_snapshot(target: WarehouseTarget) -> None:
    assert target.current("berlin", "participants") is None
    assert target.history("berlin", "participants") == []
    assert list(target.rows("berlin", "participants", ["id"])) == []


def test_loaded_rows_are_seen_when_they_are_published_and_not_before(target: WarehouseTarget) -> None:
    published(target, OLD, '1,"old",1.5')
    staged = target.load(TABLE, NEW, csv('2,"new",2'))
    assert rows(target) == [("1", "old", "1.50")]
    target.publish([Publication(staged, record(NEW, 1))])
    assert rows(target) == [("2", "new", "2.00")]
    assert target.current("berlin", "participants") == record(NEW, 1)


def test_a_rerun_of_the_same_snapshot_replaces_and_never_doubles(target: WarehouseTarget) -> None:
    published(target, OLD, '1,"a",1', '2,"b",2')
    published(target, OLD, '1,"a",1', '2,"b",2')
    assert len(rows(target)) == 2
    assert [kept.snapshot for kept in target.history("berlin", "participants")] == [OLD]


def test_the_current_snapshot_is_the_latest_and_not_the_one_that_came_last(target: WarehouseTarget) -> None:
    published(target, NEW, '2,"new",2')
    published(target, OLD, '1,"old",1')
    assert rows(target) == [("2", "new", "2.00")]
    assert [kept.snapshot for kept in target.history("berlin", "participants")] == [OLD, NEW]


def test_a_table_without_rows_is_a_snapshot_too(target: WarehouseTarget) -> None:
    published(target, OLD)
    assert target.current("berlin", "participants") == record(OLD, 0)
    assert rows(target) == []


def test_installations_do_not_touch_one_another(target: WarehouseTarget) -> None:
    madrid = TargetTable("madrid", "participants", TABLE.columns, TABLE.key)
    published(target, OLD, '1,"berlin",1')
    published(target, OLD, '1,"madrid",1', '2,"madrid",1', table=madrid)
    published(target, NEW, table=madrid)
    assert rows(target) == [("1", "berlin", "1.00")]
    assert rows(target, madrid) == []
    assert [kept.snapshot for kept in target.history("berlin", "participants")] == [OLD]


def test_tables_that_are_published_together_appear_together(target: WarehouseTarget) -> None:
    other = TargetTable("berlin", "invitations", TABLE.columns, TABLE.key)
    first, second = target.load(TABLE, OLD, csv('1,"a",1')), target.load(other, OLD, csv('7,"b",1'))
    target.publish([Publication(first, record(OLD, 1)), Publication(second, record(OLD, 1, other))])
    assert (len(rows(target)), len(rows(target, other))) == (1, 1)


@pytest.mark.parametrize("after", [0, 1, 3000])
def test_a_producer_that_fails_leaves_nothing(target: WarehouseTarget, after: int) -> None:
    published(target, OLD, '1,"old",1')

    def produce(write: Write) -> None:
        for number in range(after):
            write(b'%d,"new",1\n' % number)
        raise ConnectionError("the source went away")

    with pytest.raises(ConnectionError, match="went away"):
        target.load(TABLE, NEW, produce)
    assert rows(target) == [("1", "old", "1.00")]
    assert target.prune_unfinished("berlin", "participants") == []
    published(target, NEW, '2,"new",2')
    assert rows(target) == [("2", "new", "2.00")]


@pytest.mark.parametrize("line", ['x,"a",1', '1,"a"', '1,"a",1,1', '1,"a"x,1', '1,"a",1e30'])
def test_csv_that_does_not_fit_the_columns_is_refused_and_leaves_nothing(target: WarehouseTarget, line: str) -> None:
    published(target, OLD, '1,"old",1')
    with pytest.raises(WarehouseRefused):
        target.load(TABLE, NEW, csv('1,"good",1', line))
    assert rows(target) == [("1", "old", "1.00")]


def test_a_row_of_many_megabytes_needs_no_multiple_of_the_memory(target: WarehouseTarget) -> None:
    """The fixture's DuckDB has 256 MB; buffers of sixteen lines, as it takes by itself for a pipe, would not fit."""
    body = MappedColumn("body", "longtext", "text", "`body`", "VARCHAR", "VARCHAR(2000000) UTF8", nullable=True)
    table = TargetTable("berlin", "letters", (ID, body), ("id",))
    length = 20 * 1024 * 1024 if target.limits.text_characters is None else target.limits.text_characters
    lines = [f'{number},"{"x" * size}"' for number, size in enumerate((length, 1))]
    staged = target.load(table, OLD, csv_at_once(*lines), longest_line=length + 8)
    assert target.digest(staged).columns["body"].characters == length + 1


def test_the_digest_says_what_the_staged_rows_add_up_to(target: WarehouseTarget) -> None:
    staged = target.load(TABLE, OLD, csv('1,"ü😀",-1.5', "2,,", '3,"b",3.25', '4," ",'))
    digest = target.digest(staged)
    assert digest.rows == 4
    assert digest.columns["id"] == ColumnDigest(4, sum="10", least="1", greatest="4")
    assert digest.columns["amount"] == ColumnDigest(2, sum="1.75", least="-1.5", greatest="3.25")
    assert digest.columns["name"]._replace(present=None) == ColumnDigest(filled=3, characters=4)
    assert differences(digest, digest) == []


def test_a_merge_replaces_inserts_and_deletes_by_key_together_with_its_record(target: WarehouseTarget) -> None:
    published(target, OLD, '1,"a",1', '2,"b",2', '3,"c",3')
    changed = record(OLD, 0, gtid="1-1-9")
    merged = target.merge(TABLE, csv('2,"B",2.5', '4,"d",4'), csv("3", "2", "99"), changed)
    assert merged == (3, 2, 1)
    assert rows(target) == [("1", "a", "1.00"), ("2", "B", "2.50"), ("4", "d", "4.00")]
    assert target.current("berlin", "participants") == changed._replace(rows=3)


def test_a_merge_that_is_repeated_changes_nothing(target: WarehouseTarget) -> None:
    published(target, OLD, '1,"a",1')
    for _ in range(2):
        target.merge(TABLE, csv('2,"b",2'), csv("1"), record(OLD, 0))
    assert rows(target) == [("2", "b", "2.00")]


def test_a_merge_whose_source_fails_leaves_rows_and_record_as_they_were(target: WarehouseTarget) -> None:
    published(target, OLD, '1,"a",1')

    def fails(write: Write) -> None:
        write(b'2,"b",2\n')
        raise ConnectionError("the source went away")

    for upserts, deletes in ((fails, csv()), (csv('2,"b",2'), fails)):
        with pytest.raises(ConnectionError):
            target.merge(TABLE, upserts, deletes, record(OLD, 0, gtid="1-1-9"))
    assert rows(target) == [("1", "a", "1.00")]
    assert target.current("berlin", "participants") == record(OLD, 1)


def refused_merges() -> list[tuple[str, Callable[[WarehouseTarget], object]]]:
    other = MappedColumn("age", "int", "exact", "`age`", "INTEGER", "DECIMAL(10,0)", nullable=True)
    keyless = TargetTable("berlin", "participants", TABLE.columns)
    wider = TargetTable("berlin", "participants", (*TABLE.columns, other), ("id",))
    stranger = TargetTable("berlin", "strangers", TABLE.columns, ("id",))
    return [
        ("not the current one", lambda target: target.merge(TABLE, csv(), csv(), record(NEW, 0))),
        ("no key", lambda target: target.merge(keyless, csv(), csv(), record(OLD, 0))),
        ("other columns", lambda target: target.merge(wider, csv(), csv(), record(OLD, 0))),
        ("no snapshot", lambda target: target.merge(stranger, csv(), csv(), record(OLD, 0, stranger))),
    ]


@pytest.mark.parametrize(("why", "merge"), refused_merges(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_merge_that_fits_no_snapshot_is_refused(
    target: WarehouseTarget, why: str, merge: Callable[[WarehouseTarget], object]
) -> None:
    published(target, OLD, '1,"a",1')
    with pytest.raises(WarehouseRefused):
        merge(target)
    assert rows(target) == [("1", "a", "1.00")]


def test_keys_of_one_side_only_are_found_counted_and_written_as_the_source_writes_them(target: WarehouseTarget) -> None:
    table = TargetTable("berlin", "participants", TABLE.columns, ("name", "id"))
    published(target, OLD, '1,"a",1', '2,"b ""q""",2', '3,"c",3', table=table)
    found = target.differing_keys(table, csv('"a",1', '"z",9', '"y",8'), limit=1)
    assert found.only_in_source == (b'"y",8',)
    assert (found.source_count, found.target_count) == (2, 2)
    found = target.differing_keys(table, csv('"a",1', '"c",3'), limit=9)
    assert found == ((), (b'"b ""q""",2',), 0, 1)


def test_current_rows_are_found_by_their_keys_and_written_as_the_source_writes_them(target: WarehouseTarget) -> None:
    at = MappedColumn("at", "datetime(3)", "moment", "`at`", "TIMESTAMP", "TIMESTAMP(3)", nullable=True)
    raw = MappedColumn("raw", "varbinary(4)", "binary", "`raw`", "BLOB", "VARCHAR(8) ASCII", nullable=True)
    ratio = MappedColumn("ratio", "double", "approximate", "`ratio`", "DOUBLE", "DOUBLE", nullable=True)
    flag = MappedColumn("flag", "bit(1)", "exact", "`flag`", "BOOLEAN", "BOOLEAN", nullable=True)
    table = TargetTable("berlin", "participants", (ID, NAME, AMOUNT, at, raw, ratio, flag), ("name", "id"))
    first, second = '1,"a ""q"", ü",1.50,2026-01-02 03:04:05.600,00FF,1.5,1', '2,"b",,,,,'
    published(target, OLD, first, second, '3,"c",3,,,,0', table=table)
    found = target.rows_of_keys(table, csv('"a ""q"", ü",1', '"b",2', '"b",3', '"z",9'))
    assert sorted(found) == [
        ("1", 'a "q", ü', "1.50", "2026-01-02 03:04:05.600", "00FF", "1.5", "1"),
        ("2", "b", None, None, None, None, None),
    ]
    assert target.rows_of_keys(table, csv('"z",9')) == []


def test_only_the_newest_snapshots_are_kept_and_the_current_one_always(target: WarehouseTarget) -> None:
    for hour in range(4):
        published(target, f"20261125T0{hour}0000Z", f'{hour},"a",1')
    assert target.drop_expired("berlin", "participants", 2) == ["20261125T000000Z", "20261125T010000Z"]
    assert target.drop_expired("berlin", "participants", 0) == ["20261125T020000Z"]
    assert [kept.snapshot for kept in target.history("berlin", "participants")] == ["20261125T030000Z"]
    assert rows(target) == [("3", "a", "1.00")]
