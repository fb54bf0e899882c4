from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from include.measurements import identity

HEADER = {"probe_asn": "AS3269", "start_time": 1414668000.5, "test_name": "tcp_connect", "input_hashes": ["a", "b"]}


@pytest.mark.parametrize("code", ["IT", "ZZ"])
def test_a_country_is_two_letters(code: str) -> None:
    assert identity.country({"probe_cc": code}) == code


@pytest.mark.parametrize("code", [None, "it", "ITA", "IT\n", "../x", 1, "", "\u0406T", ["IT"]])
def test_everything_else_is_no_country(code: object) -> None:
    assert identity.country({"probe_cc": code}) == "ZZ"


@pytest.mark.parametrize("name", [*HEADER, "content"])
def test_every_part_of_the_natural_key_makes_another_report(name: str) -> None:
    first = identity.report_id(HEADER, "c")
    assert first == identity.report_id(dict(HEADER), "c")
    assert first == identity.report_id({**HEADER, "probe_city": "Rome"}, "c")
    if name == "content":
        assert identity.report_id(HEADER, "d") != first
    else:
        assert identity.report_id({**HEADER, name: "other"}, "c") != first


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"start_time": 1414668000.0}, datetime(2014, 10, 30, 11, 20, tzinfo=UTC)),
        ({"test_start_time": "2014-10-30 11:20:00"}, datetime(2014, 10, 30, 11, 20, tzinfo=UTC)),
        ({"test_start_time": datetime(2014, 10, 30, 11, 20)}, datetime(2014, 10, 30, 11, 20, tzinfo=UTC)),  # noqa: DTZ001
        ({}, None),
        ({"start_time": math.nan}, None),
        ({"start_time": 1e300}, None),
        ({"start_time": True}, None),
        ({"start_time": "soon"}, None),
    ],
)
def test_when_a_report_began(header: dict[str, object], expected: datetime | None) -> None:
    assert identity.started_at(header) == expected


def test_ids_of_entries_sort_like_their_numbers() -> None:
    ids = [identity.measurement_id("r", number) for number in (2, 10, 9, 100_000)]
    assert sorted(ids) == [identity.measurement_id("r", number) for number in (2, 9, 10, 100_000)]
