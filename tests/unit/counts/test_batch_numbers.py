"""The book by number alone: a batch that is done again adds nothing, and one that is not done is a difference."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.counts.batch_numbers import NAME_CHARACTERS_MAX, NUMBER_MAX, Numbers, NumbersRefused, StageNumbers
from include.counts.stage_count import StageCount, Unsettled
from include.database.tables import STAGE_COUNTS

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
WHOLE = Numbers(100, count_out=90, quarantined=4, errored=6)


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[StageNumbers]:
    with StageNumbers(tmp_path, "here") as made:
        yield made


def test_a_batch_that_is_done_again_adds_nothing(numbers: StageNumbers) -> None:
    for _ in range(3):
        numbers.note("f", "s", "topic/0/500", WHOLE, MONDAY)
    assert numbers.counts() == [StageCount("f", "s", MONDAY, "here", 100, 90, 4, 6)]


def test_a_batch_that_comes_out_otherwise_when_it_is_done_again_replaces_its_numbers(numbers: StageNumbers) -> None:
    numbers.note("f", "s", "b", WHOLE, MONDAY)
    numbers.note("f", "s", "b", Numbers(101, count_out=101), MONDAY)
    assert numbers.counts() == [StageCount("f", "s", MONDAY, "here", 101, 101, 0, 0)]


def test_a_batch_that_went_in_and_did_not_come_out_is_a_difference_and_is_named(numbers: StageNumbers) -> None:
    numbers.note("f", "s", "died", Numbers(100), MONDAY)
    numbers.note("f", "s", "whole", WHOLE, MONDAY)
    numbers.note("f", "t", "of another stage", Numbers(1), MONDAY)
    assert [row.difference for row in numbers.counts()] == [100, 1]
    assert numbers.unsettled() == [
        Unsettled("f", "s", MONDAY, "died", 100),
        Unsettled("f", "t", MONDAY, "of another stage", 1),
    ]
    numbers.note("f", "s", "died", WHOLE)
    numbers.note("f", "t", "of another stage", Numbers(1, count_out=3))
    assert numbers.unsettled() == [Unsettled("f", "t", MONDAY, "of another stage", -2)]


def test_a_batch_that_is_finished_on_a_later_day_counts_on_the_day_it_was_begun(numbers: StageNumbers) -> None:
    numbers.note("f", "s", "b", Numbers(100), MONDAY)
    numbers.note("f", "s", "b", WHOLE, TUESDAY)
    assert numbers.counts() == [StageCount("f", "s", MONDAY, "here", 100, 90, 4, 6)]


def test_batches_of_stages_and_days_are_added_apart(numbers: StageNumbers) -> None:
    numbers.note("f", "s", "a", Numbers(1, 1), MONDAY)
    numbers.note("f", "s", "b", Numbers(2, 2), MONDAY)
    numbers.note("f", "s", "c", Numbers(4, 4), TUESDAY)
    numbers.note("f", "t", "a", Numbers(8, 8), MONDAY)
    assert [(row.stage, row.day, row.count_in) for row in numbers.counts()] == [
        ("s", MONDAY, 3),
        ("t", MONDAY, 8),
        ("s", TUESDAY, 4),
    ]
    assert [row.count_in for row in numbers.counts(TUESDAY)] == [4]


def test_folding_keeps_every_sum_and_every_batch_that_differs(numbers: StageNumbers) -> None:
    numbers.note("f", "s", "a", WHOLE, MONDAY)
    numbers.note("f", "s", "b", WHOLE, MONDAY)
    numbers.note("f", "s", "open", Numbers(7), MONDAY)
    numbers.note("f", "s", "later", WHOLE, TUESDAY)
    before = numbers.counts()
    assert numbers.fold(TUESDAY) == 2
    assert numbers.counts() == before
    numbers.note("f", "s", "open", Numbers(7, count_out=7))
    assert numbers.fold(TUESDAY) == 1
    sums = [(row.day, row.count_in, row.difference) for row in numbers.counts()]
    assert sums == [(MONDAY, 207, 0), (TUESDAY, 100, 0)]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.sampled_from("abcde"), st.integers(0, 3), *[st.integers(0, 5)] * 4,
            ),
            st.integers(0, 3),
        )
    )
)  # fmt: skip
def test_sums_are_those_of_the_last_numbers_of_each_batch_however_often_it_is_folded(
    steps: list[tuple[str, int, int, int, int, int] | int],
) -> None:
    """The model: a dictionary of batches. Folding forgets the keys of whole ones and keeps their sums."""
    batches: dict[str, tuple[int, tuple[int, ...]]] = {}
    folded = [[0, 0, 0, 0] for _ in range(4)]
    with tempfile.TemporaryDirectory() as folder, StageNumbers(Path(folder), "here") as numbers:
        for step in steps:
            if isinstance(step, tuple):
                batch, day, *values = step
                numbers.note("f", "s", batch, Numbers(*values), MONDAY + timedelta(days=day))
                batches[batch] = (batches.get(batch, (day, ()))[0], tuple(values))
                continue
            numbers.fold(MONDAY + timedelta(days=step))
            for batch, (day, values) in list(batches.items()):
                if day < step and values[0] == sum(values[1:]):
                    folded[day] = [a + b for a, b in zip(folded[day], values, strict=True)]
                    del batches[batch]
        sums: dict[int, list[int]] = {day: of for day, of in enumerate(folded) if any(of)}
        for day, values in batches.values():
            sums[day] = [a + b for a, b in zip(sums.get(day, [0, 0, 0, 0]), values, strict=True)]
        counted = {(row.day - MONDAY).days: list(row[4:]) for row in numbers.counts() if any(row[4:])}
        assert counted == {day: of for day, of in sums.items() if any(of)}


@pytest.mark.parametrize("wrong", [Numbers(-1), Numbers(1, -1), Numbers(0, errored=-2), Numbers(NUMBER_MAX + 1)])
def test_numbers_that_no_table_could_hold_are_refused_before_anything_is_written(
    numbers: StageNumbers, wrong: Numbers
) -> None:
    with pytest.raises(NumbersRefused) as refused:
        numbers.note("f", "s", "b", wrong, MONDAY)
    assert refused.value.hint
    assert numbers.counts() == []


@pytest.mark.parametrize("name", ["", "x" * (NAME_CHARACTERS_MAX + 1)])
def test_names_that_the_table_would_refuse_are_refused_here_where_they_stop_nobody_else(
    numbers: StageNumbers, name: str
) -> None:
    assert STAGE_COUNTS.c.feature.type.length == STAGE_COUNTS.c.stage.type.length == NAME_CHARACTERS_MAX  # type: ignore[attr-defined]
    for feature, stage in ((name, "s"), ("f", name)):
        with pytest.raises(NumbersRefused):
            numbers.note(feature, stage, "b", WHOLE, MONDAY)


def test_everything_is_there_for_the_next_process(tmp_path: Path) -> None:
    with StageNumbers(tmp_path, "here") as first:
        first.note("f", "s", "b", WHOLE, MONDAY)
    with StageNumbers(tmp_path, "here") as second:
        assert second.counts() == [StageCount("f", "s", MONDAY, "here", *WHOLE)]


def test_a_transaction_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with StageNumbers(tmp_path, "here") as numbers:
        numbers.note("f", "s", "b", WHOLE, MONDAY)
        with sqlite3.connect(tmp_path / "stage_numbers.sqlite") as other:
            other.execute("DROP TABLE sums")
        with pytest.raises(sqlite3.OperationalError):
            numbers.fold(TUESDAY)
        numbers.note("f", "s", "c", WHOLE, MONDAY)
        assert numbers.unsettled() == []


def test_writers_wait_for_one_another(tmp_path: Path) -> None:
    def write(stage: str) -> None:
        with StageNumbers(tmp_path, "here") as numbers:
            for number in range(20):
                numbers.note("f", stage, f"{number}", Numbers(2, count_out=2), MONDAY)

    threads = [threading.Thread(target=write, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with StageNumbers(tmp_path, "here") as numbers:
        assert [(row.count_in, row.count_out) for row in numbers.counts()] == [(40, 40)] * 4
