"""The book by name: no item is counted twice or never, whatever dies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from include.counts.ledger import StageLedger
from include.counts.stage_count import StageCount, Unsettled

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[StageLedger]:
    with StageLedger(tmp_path, "here") as made:
        yield made


def test_what_was_taken_and_not_settled_is_open_and_makes_a_difference(ledger: StageLedger) -> None:
    ledger.take("f", "s", ["a", "b", "c"], MONDAY)
    ledger.settle("f", "s", {"a": "out", "b": "quarantined"})
    assert ledger.open_items("f", "s") == ["c"]
    assert ledger.unsettled() == [Unsettled("f", "s", MONDAY, "c", 1)]
    assert ledger.counts() == [StageCount("f", "s", MONDAY, "here", 3, 1, 1, 0)]
    assert ledger.counts()[0].difference == 1


def test_doing_everything_again_counts_once(ledger: StageLedger) -> None:
    for _ in range(3):
        ledger.take("f", "s", ["a"], MONDAY)
    for _ in range(3):
        ledger.settle("f", "s", {"a": "out"})
    ledger.settle("f", "s", {"a": "errored", "never taken": "out"})
    assert ledger.counts() == [StageCount("f", "s", MONDAY, "here", 1, 1, 0, 0)]


def test_an_item_that_comes_again_is_a_new_pass_of_its_own_day(ledger: StageLedger) -> None:
    ledger.take("f", "s", ["a"], MONDAY)
    ledger.settle("f", "s", {"a": "errored"})
    ledger.take("f", "s", ["a"], TUESDAY)
    ledger.settle("f", "s", {"a": "out"})
    assert [(c.day, c.count_out, c.errored) for c in ledger.counts()] == [(MONDAY, 0, 1), (TUESDAY, 1, 0)]


def test_an_item_settled_later_counts_on_the_day_it_was_taken(ledger: StageLedger) -> None:
    ledger.take("f", "s", ["a"], MONDAY)
    ledger.take("f", "s", ["a"], TUESDAY)
    ledger.settle("f", "s", {"a": "out"})
    assert ledger.counts() == [StageCount("f", "s", MONDAY, "here", 1, 1, 0, 0)]


def test_stages_do_not_share_items(ledger: StageLedger) -> None:
    ledger.take("f", "s", ["a"], MONDAY)
    ledger.take("f", "t", ["a"], MONDAY)
    ledger.settle("f", "t", {"a": "out"})
    assert ledger.open_items("f", "s") == ["a"]
    assert ledger.open_items("f", "t") == []


def test_folding_keeps_every_count_and_every_open_item(ledger: StageLedger) -> None:
    ledger.take("f", "s", ["a", "b", "c"], MONDAY)
    ledger.take("f", "s", ["d"], TUESDAY)
    ledger.settle("f", "s", {"a": "out", "b": "errored", "d": "out"})
    before = ledger.counts()
    assert ledger.fold(TUESDAY) == 2
    assert ledger.counts() == before
    ledger.settle("f", "s", {"c": "out"})
    assert ledger.fold(TUESDAY) == 1
    assert ledger.counts() == [
        StageCount("f", "s", MONDAY, "here", 3, 2, 0, 1),
        StageCount("f", "s", TUESDAY, "here", 1, 1, 0, 0),
    ]
    ledger.take("f", "s", ["a"], TUESDAY)
    assert ledger.open_items("f", "s") == ["a"]


def test_everything_is_there_for_the_next_process(tmp_path: Path) -> None:
    with StageLedger(tmp_path, "here") as first:
        first.take("f", "s", ["a"], MONDAY)
    with StageLedger(tmp_path, "here") as second:
        assert second.open_items("f", "s") == ["a"]


def test_writers_wait_for_one_another(tmp_path: Path) -> None:
    def write(name: str) -> None:
        with StageLedger(tmp_path, "here") as ledger:
            for number in range(20):
                ledger.take("f", name, [f"{number}"], MONDAY)
                ledger.settle("f", name, {f"{number}": "out"})

    threads = [threading.Thread(target=write, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with StageLedger(tmp_path, "here") as ledger:
        assert [(c.count_in, c.count_out) for c in ledger.counts()] == [(20, 20)] * 4
