from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.measurements.errors import MeasurementReportRefused
from include.measurements.load import bson_values

ROUND_TRIP = bson.codec_options.CodecOptions(tz_aware=True)


def stored(value: object) -> object:
    return bson.decode(bson.encode(bson_values.document({"v": value})), ROUND_TRIP)["v"]


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (math.inf, math.inf),
        ("text", "text"),
        ("\ud800x", "?x"),
        (2**63 - 1, 2**63 - 1),
        (2**63, {"data": "9223372036854775808", "format": "integer"}),
        (-(2**63) - 1, {"data": "-9223372036854775809", "format": "integer"}),
        (b"plain", "plain"),
        ("Reykjav\xedk".encode("latin-1"), {"data": "UmV5a2phdu1r", "format": "base64"}),
        (b"a\0b", {"data": "YQBi", "format": "base64"}),
        ({"b", "a"}, ["a", "b"]),
        ((1, (2,)), [1, [2]]),
        (date(2014, 10, 30), "2014-10-30"),
        (datetime(2014, 10, 30, 1, 2, 3), datetime(2014, 10, 30, 1, 2, 3, tzinfo=UTC)),  # noqa: DTZ001
        (datetime(2014, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), datetime(2014, 1, 1, tzinfo=UTC)),
        ({"8.8.8.8": 1}, {"8%2E8%2E8%2E8": 1}),
        ({"$where": 1}, {"%24where": 1}),
        ({"a$b": 1}, {"a$b": 1}),
        ({"100%": 1}, {"100%25": 1}),
        ({"a\0b": 1}, {"a%00b": 1}),
        ({2: "a", None: "b", True: "c"}, {"2": "a", "null": "b", "true": "c"}),
        ({1: "a", "1": "b"}, {"pairs": [[1, "a"], ["1", "b"]]}),
        ({(8, 53): "a"}, {"[8, 53]": "a"}),
        ({}, {}),
    ],
)
def test_each_kind_of_value_has_its_form(given_value: object, kept: object) -> None:
    assert stored(given_value) == kept


def test_nan_stays_nan() -> None:
    found = stored(math.nan)
    assert isinstance(found, float)
    assert math.isnan(found)


def test_a_number_too_long_for_decimal_digits_is_kept_in_hexadecimal() -> None:
    number = 2**100_000 + 1
    kept = stored(number)
    assert isinstance(kept, dict)
    assert int(kept["data"], 0) == number


def test_what_is_nested_too_deep_is_refused_by_name() -> None:
    value: object = 1
    for _ in range(bson_values.DEPTH_MAX + 1):
        value = [value]
    with pytest.raises(MeasurementReportRefused) as refused:
        bson_values.document({"v": value})
    assert refused.value.reason == "too_deep"


def test_a_structure_that_contains_itself_is_refused() -> None:
    value: dict[str, object] = {}
    value["self"] = value
    with pytest.raises(MeasurementReportRefused):
        bson_values.document(value)


def test_a_value_of_an_unknown_type_is_refused() -> None:
    with pytest.raises(MeasurementReportRefused, match="complex"):
        bson_values.document({"v": 1j})


KEYS = st.text() | st.integers() | st.none() | st.booleans() | st.floats(allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes() | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4) | st.sets(st.text(), max_size=3)
    ),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_whatever_yaml_gives_can_be_stored_and_read(mapping: dict[object, object]) -> None:
    document = bson.decode(bson.encode(bson_values.document(mapping)))
    for key in all_keys(document):
        assert "." not in key
        assert not key.startswith("$")


def all_keys(value: object) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for inner in value.values() for key in all_keys(inner))]
    return [key for inner in value for key in all_keys(inner)] if isinstance(value, list) else []


def test_each_value_is_converted_once_however_deep_keys_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[bytes] = []
    monkeypatch.setattr(bson_values, "_from_bytes", lambda given: converted.append(given) or "x")
    nested: object = b"innermost"
    for _ in range(16):
        nested = {1: "a", "1": nested}
    bson_values.value(nested)
    assert converted == [b"innermost"]
