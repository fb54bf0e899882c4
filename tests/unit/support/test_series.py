"""A series is played whole when asked for, and as a spread otherwise."""

from datetime import date
from itertools import islice

import pytest

from tests import long_series
from tests.support import series


@pytest.fixture
def whole(monkeypatch):
    monkeypatch.setenv(series.VARIABLE, "1")


@pytest.fixture
def spread(monkeypatch):
    monkeypatch.delenv(series.VARIABLE, raising=False)


def test_a_spread_has_the_ends_and_every_third(spread):
    assert series.some("abcdefgh") == ["a", "d", "g", "h"]
    assert series.some("abcdefgh", 1) == ["a", "b", "e", "h"]
    assert list(islice(series.numbers(2), 4)) == [0, 2, 5, 8]


def test_three_variants_together_meet_every_place(spread):
    met = [set(series.some(range(100), variant)) for variant in range(series.STRIDE)]
    assert set.union(*met) == set(range(100))
    assert all(len(places) < 40 for places in met)


def test_a_variant_with_a_name_is_the_same_in_every_process(spread):
    assert series.some(range(10), "torn commit") == series.some(range(10), 1)


def test_a_short_series_is_played(spread):
    assert series.some([]) == []
    assert series.some(["only"], 2) == ["only"]


def test_the_whole_series_is_every_place_in_order(whole):
    assert series.some(range(100), 2) == list(range(100))
    assert list(islice(series.numbers(2), 5)) == [0, 1, 2, 3, 4]


DAY = date(2026, 11, 25)


def test_the_page_of_a_run_has_its_result_day_and_commit():
    text = long_series.page(
        "....\n  1.0 s  3 tests  crash\n230 passed, 2 skipped in 61.50s (0:01:01)\n", DAY, "abc1234"
    )
    assert text.endswith("\n\n2026-11-25, commit abc1234: 230 passed, 2 skipped in 61.50s (0:01:01).\n")


def test_the_page_of_a_run_names_what_failed():
    output = "FAILED tests/crash/test_x.py::test_y[a] - AssertionError\n==== 1 failed, 3 passed in 2.00s ====\n"
    text = long_series.page(output, DAY, "abc1234")
    assert "1 failed, 3 passed in 2.00s.\n\nFailed:\n\n- `tests/crash/test_x.py::test_y[a]`\n" in text


def test_a_run_that_came_to_no_result_has_no_page():
    with pytest.raises(RuntimeError, match="unrecognized arguments"):
        long_series.page("error: unrecognized arguments: -n\n", DAY, "abc1234")
