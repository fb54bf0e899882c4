"""The table stage_counts in a real MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from include.counts.check import CountsDiffer, check
from include.counts.ledger import StageLedger
from include.counts.stage_count import StageCount
from include.counts.table import StageCounts, send
from include.database import migrate
from include.database.connection import engine
from tests.support import mariadb

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(mariadb.PROGRAM is None, reason="mariadb-server is not installed"),
]

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


@pytest.fixture(scope="module")
def table() -> Iterator[StageCounts]:
    with mariadb.mariadb() as connect:
        database = engine(connect)
        migrate.upgrade(database)
        yield StageCounts(database)


def test_counts_are_sent_any_number_of_times_and_a_difference_is_named(table: StageCounts, tmp_path: Path) -> None:
    with StageLedger(tmp_path, "here") as ledger:
        ledger.take("f", "s", ["a", "b"], MONDAY)
        ledger.settle("f", "s", {"a": "out"})
        for _ in range(2):
            # The second row says that the counts were sent today, on which nothing was counted.
            assert send([ledger], table) == 2
        assert table.read(MONDAY, MONDAY) == [StageCount("f", "s", MONDAY, "here", 2, 1, 0, 0)]
        with pytest.raises(CountsDiffer, match=r"f\.s of here on 2026-11-23: in 2 != out 1"):
            check(table.read(MONDAY, TUESDAY))
        ledger.settle("f", "s", {"b": "quarantined"})
        send([ledger], table)
    assert check(table.read(MONDAY, TUESDAY)) == 1
    assert table.read(TUESDAY, TUESDAY) == []


def test_installations_and_days_have_rows_of_their_own(table: StageCounts) -> None:
    rows = [
        StageCount("g", "s", day, installation, 2**40, 2**40, 0, 0)
        for day in (MONDAY, TUESDAY)
        for installation in ("x", "y")
    ]
    assert table.put(rows) == 4
    assert table.put([]) == 0
    assert [row for row in table.read(MONDAY, TUESDAY) if row.feature == "g"] == rows
