"""In = out + quarantined + errored, for every stage and day, in whichever book it is counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.counts.batch_numbers import Numbers, StageNumbers
from include.counts.check import CountsDiffer, CountsMissing, check, demand_fresh, differences
from include.counts.ledger import StageLedger
from include.counts.stage_count import StageCount
from include.counts.table import send

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[StageLedger]:
    with StageLedger(tmp_path, "here") as made:
        yield made


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[StageNumbers]:
    with StageNumbers(tmp_path, "here") as made:
        yield made


def test_the_check_names_every_difference() -> None:
    good = StageCount("f", "s", MONDAY, "here", 3, 1, 1, 1)
    lost = StageCount("f", "t", MONDAY, "here", 3, 1, 1, 0)
    doubled = StageCount("f", "u", TUESDAY, "there", 1, 2, 0, 0)
    assert check([good]) == 1
    assert differences([good, lost, doubled]) == [lost, doubled]
    with pytest.raises(CountsDiffer) as differ:
        check([good, lost, doubled])
    assert "f.t of here on 2026-11-23: in 3 != out 1 + quarantined 1 + errored 0 (difference 1)" in str(differ.value)
    assert "f.u of there on 2026-11-24" in str(differ.value)
    assert "f.s" not in str(differ.value)
    assert differ.value.hint


class MemoryTable:
    def __init__(self) -> None:
        self.rows: list[StageCount] = []

    def put(self, rows: Iterable[StageCount]) -> int:
        self.rows = list(rows)
        return len(self.rows)


def test_a_day_on_which_nothing_was_counted_is_sent_as_one_too(ledger: StageLedger) -> None:
    table: Any = MemoryTable()
    assert send([ledger], table) == 1
    [row] = table.rows
    assert (row.day, row.count_in, row.difference) == (datetime.now(UTC).date(), 0, 0)
    ledger.take("f", "s", ["x"])
    assert send([ledger], table) == 1
    assert table.rows[0].feature == "f"


def test_an_empty_table_is_not_taken_for_one_that_agrees() -> None:
    with pytest.raises(CountsMissing, match="no rows"):
        demand_fresh([], MONDAY)


def test_an_installation_that_has_stopped_sending_is_named() -> None:
    tuesday = MONDAY + timedelta(days=1)
    rows = [StageCount("f", "s", tuesday, "here", 1, 1, 0, 0), StageCount("f", "s", MONDAY, "there", 1, 1, 0, 0)]
    demand_fresh(rows, MONDAY)
    with pytest.raises(CountsMissing, match=r"from there \(last on"):
        demand_fresh(rows, tuesday)


def test_the_check_finds_what_is_lost_in_either_book(ledger: StageLedger, numbers: StageNumbers) -> None:
    table: Any = MemoryTable()
    ledger.take("f", "files", ["a"], MONDAY)
    numbers.note("f", "rows", "batch 1", Numbers(100, count_out=97, errored=2), MONDAY)
    send([ledger, numbers], table)
    with pytest.raises(CountsDiffer) as differ:
        check(table.rows)
    named = str(differ.value)
    assert "f.files of here on 2026-11-23: in 1 != out 0" in named
    assert "f.rows of here on 2026-11-23: in 100 != out 97 + quarantined 0 + errored 2 (difference 1)" in named
    ledger.settle("f", "files", {"a": "out"})
    numbers.note("f", "rows", "batch 1", Numbers(100, count_out=98, errored=2))
    send([ledger, numbers], table)
    assert check(table.rows) == 3


def test_a_stage_counted_in_both_books_has_one_row_with_both(ledger: StageLedger, numbers: StageNumbers) -> None:
    table: Any = MemoryTable()
    ledger.take("f", "s", ["a"], MONDAY)
    numbers.note("f", "s", "batch 1", Numbers(10, count_out=10), MONDAY)
    send([ledger, numbers], table, more=[StageCount("f", "s", MONDAY, "there", 5, 5, 0, 0)])
    assert [row for row in table.rows if row.feature == "f"] == [
        StageCount("f", "s", MONDAY, "here", 11, 10, 0, 0),
        StageCount("f", "s", MONDAY, "there", 5, 5, 0, 0),
    ]
