"""Sums of two sides in one canonical form: what is equal compares equal, what differs is named."""

from __future__ import annotations

from decimal import Decimal

import pytest

from include.warehouse.column_types.digest import ColumnDigest, Digest, approximate, differences, exact, moment


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0012.500", "12.5"), (Decimal("-0.00"), "0"), ("100", "100"), ("1e3", "1000"), (True, "1"), (None, None),
        ("18446744073709551615", "18446744073709551615"), ("-0.10", "-0.1"),
        ("0." + "0" * 37 + "1", "0." + "0" * 37 + "1"),
        ("9" * 60, "9" * 60),
    ],
)  # fmt: skip
def test_an_exact_number_has_one_form(value: object, text: str | None) -> None:
    assert exact(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [("1e23", "1e+23"), ("0.1000", "0.1"), ("-0", "0.0"), (16777216, "16777216.0"), (None, None)]
)
def test_a_floating_point_number_has_its_shortest_exact_form(value: object, text: str | None) -> None:
    assert approximate(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-11-25", "2026-11-25"), ("2026-11-20 10:20:30", "2026-11-20 10:20:30"), (None, None),
        ("2026-11-25 10:20:30.500000", "2026-11-25 10:20:30.5"), ("2026-11-25 10:20:00.000", "2026-11-25 10:20:00"),
    ],
)  # fmt: skip
def test_a_moment_has_no_zeros_at_the_end_of_its_fraction_and_keeps_all_others(value: object, text: str | None) -> None:
    assert moment(value) == text


def test_every_part_that_differs_is_named_and_what_one_side_cannot_state_is_not_compared() -> None:
    source = Digest(3, {"a": ColumnDigest(3, sum="5", least="1"), "b": ColumnDigest(2, filled=1, characters=9)})
    target = Digest(2, {"a": ColumnDigest(3, sum="6", least="1"), "b": ColumnDigest(None, filled=1, characters=8)})
    assert differences(source, source) == []
    assert differences(source, target) == [
        "rows: 3 in the source, 2 in the target",
        "a: sum is 5 in the source, 6 in the target",
        "b: characters is 9 in the source, 8 in the target",
    ]


def test_a_column_that_the_target_lacks_is_a_difference() -> None:
    assert differences(Digest(1, {"a": ColumnDigest(1)}), Digest(1, {})) == ["a: missing in the target"]
