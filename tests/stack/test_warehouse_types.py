"""Every type of MariaDB with its worst values, in a DuckDB warehouse: equal by count, by column and by value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import MySQLdb
import pytest

from include.warehouse.column_types.mapped_column import DUCKDB_LIMITS, EXASOL_LIMITS
from include.warehouse.column_types.source_column import SourceColumn
from include.warehouse.column_types.type_map import known_types, map_columns
from include.warehouse.config import Policies
from include.warehouse.errors import TypeRefused
from include.warehouse.source.csv_rows import csv_rows
from include.warehouse.source.snapshot_transaction import SnapshotTransaction
from include.warehouse.source.source_digest import source_digest
from include.warehouse.source.survey import survey_table
from include.warehouse.source.table_shape import table_shape
from include.warehouse.target.duckdb_target import DuckdbTarget
from tests.support.mariadb import Server
from tests.support.warehouse import SourceDatabase, copy_table
from tests.support.worst_values import WORST

ID = "20261125T093000Z"


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


def test_worst_values_of_every_type_arrive_equal_and_null_stays_apart_from_empty(
    database: SourceDatabase, target: DuckdbTarget
) -> None:
    """One table with a column for each declaration; row by row, one column holds its next value and all others NULL."""
    names = {declaration: f"c{number}" for number, declaration in enumerate(WORST)}
    columns = ", ".join(f"{name} {declaration}" for declaration, name in names.items())
    database.execute(f"CREATE TABLE worst (id INT PRIMARY KEY, {columns})")
    expected: dict[str, dict[int, Any]] = {name: {} for name in names.values()}
    number = 0
    for declaration, values in WORST.items():
        for sql, value in values:
            number += 1
            database.execute(f"INSERT INTO worst (id, {names[declaration]}) VALUES ({number}, {sql})")
            expected[names[declaration]][number] = value
    copied = copy_table(database, target, "worst", ID)
    assert (copied.rows, copied.rejected) == (number, 0)
    for declaration, name in names.items():
        held = {row: value for row, value in target.rows("berlin", "worst", ["id", name]) if value is not None}
        wanted = {row: value for row, value in expected[name].items() if value is not None}
        assert held == wanted, declaration
    assert copied.replaced_by == {names["DATE"]: 4, names["DATETIME"]: 1, names["TIMESTAMP(3) NULL"]: 1}


def test_every_type_that_the_server_knows_has_a_row_in_the_table(database: SourceDatabase) -> None:
    """The server's own lists, of its help and of its plugins; what is no type of a column is refused by its syntax."""
    plugins = database.execute("SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'DATA TYPE'")
    topics = database.execute(
        "SELECT t.name FROM mysql.help_topic t JOIN mysql.help_category c USING (help_category_id) "
        "WHERE c.name LIKE '%Data Types%'"
    )
    shapes = ["GEOMETRY", "LINESTRING", "POINT", "POLYGON"]
    shapes += ["GEOMETRYCOLLECTION", "MULTILINESTRING", "MULTIPOINT", "MULTIPOLYGON"]
    names = {name.removesuffix(" Data Type") for (found,) in (*plugins, *topics) for name in found.split(",")}
    declared = {"ENUM": "ENUM('a')", "SET": "SET('a')"}
    accepted = 0
    for name in sorted({*names, *shapes, "BLOB", "TEXT"}):
        for size in ("", "(9)"):
            try:
                database.execute(f"CREATE OR REPLACE TABLE one (c {declared.get(name, name)}{size})")
            except (MySQLdb.ProgrammingError, MySQLdb.OperationalError):
                continue
            ((kind,),) = database.execute(
                "SELECT DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = SCHEMA() AND TABLE_NAME = 'one'"
            )
            assert kind in known_types(), f"{name}: {kind}"
            accepted += 1
    assert accepted > 60
    assert len(known_types()) > 35


def test_a_type_without_a_row_is_refused_by_name() -> None:
    vector = SourceColumn("embedding", "vector", "vector(3)", nullable=True)
    with pytest.raises(TypeRefused, match=r"berlin/t: column embedding has the type vector\(3\)"):
        map_columns("berlin/t", [vector], Policies(), DUCKDB_LIMITS)


def test_text_and_bytes_beyond_exasols_longest_are_rejected_or_cut(database: SourceDatabase) -> None:
    """With the limits of Exasol made small; the values are those that the source sends."""
    database.execute("CREATE TABLE t (id INT, body TEXT, scan BLOB)")
    database.execute("INSERT INTO t VALUES (1, 'ü234', X'0102'), (2, 'ü2345', NULL), (3, NULL, X'010203')")
    limits = EXASOL_LIMITS._replace(text_characters=4)
    with SnapshotTransaction(database.connect) as source:
        shape = table_shape(source, "t")
        columns = map_columns("t", shape.columns, Policies(), limits)
        found = survey_table(source, "t", columns)
        assert (found.rows, found.rejected, found.rejected_by) == (1, 2, {"body": 1, "scan": 1})
        assert source_digest(source, "t", found.columns).rows == 1
        cut = map_columns("t", shape.columns, Policies(long_text="truncate"), limits)
        found = survey_table(source, "t", cut)
        assert (found.rows, found.rejected, found.replaced_by) == (3, 0, {"body": 1, "scan": 1})
        written = []
        csv_rows(source, "t", found.columns, longest_line=found.longest_line)(written.append)
    assert b"".join(written).decode().splitlines() == ['1,"ü234",0102', '2,"ü234",', "3,,0102"]


def test_lines_of_the_server_and_lines_put_together_here_are_the_same_bytes(database: SourceDatabase) -> None:
    columns = ", ".join(f"c{number} {declaration}" for number, declaration in enumerate(WORST))
    database.execute(f"CREATE TABLE worst (id INT PRIMARY KEY, {columns})")
    for number, values in enumerate(WORST.values()):
        for sql, _ in values:
            database.execute(f"INSERT INTO worst (id, c{number}) SELECT IFNULL(MAX(id), 0) + 1, {sql} FROM worst")
    with SnapshotTransaction(database.connect) as source:
        mapped = map_columns("worst", table_shape(source, "worst").columns, Policies(), DUCKDB_LIMITS)
        by_server, here = [], []
        csv_rows(source, "worst", mapped, longest_line=0)(by_server.append)
        csv_rows(source, "worst", mapped, longest_line=2**40)(here.append)
    assert b"".join(by_server) == b"".join(here)
