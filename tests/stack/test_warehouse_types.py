"""Every type of MariaDB with its worst values, in a DuckDB warehouse: equal by count, by column and by value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
