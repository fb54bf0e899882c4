"""The table of six statuses and the edge of its window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.measurements.load.bridges import Nearest, Observation, by_country, status

NOON = datetime(2014, 10, 30, 12, tzinfo=UTC)
HASH = "a" * 40
WINDOW = timedelta(hours=24)


def seen(success: object, country: str = "IT", after: timedelta = timedelta(0), bridge: str = HASH) -> Observation:
    return Observation(bridge, country, NOON + after, success, 1.5, f"{country}.yamloo")


@pytest.mark.parametrize(
    ("measured", "control", "expected"),
    [
        (True, True, "ok"),
        (False, True, "blocked"),
        (True, False, "inconsistent"),
        (False, False, "offline"),
        (None, True, "invalid"),
        ("yes", True, "invalid"),
        (1, True, "invalid"),
        (True, None, "invalid"),
        (False, "no", "invalid"),
    ],
)
def test_the_table_of_statuses(measured: object, control: object, expected: str) -> None:
    assert status(measured, seen(control, "NL")) == expected
    table = by_country([seen(measured), seen(control, "NL")], [], control_country="NL", window=WINDOW)
    assert [result["status"] for result in table["IT"][HASH]] == [expected]


@pytest.mark.parametrize("measured", [True, False, None])
def test_without_a_control_nothing_can_be_said(measured: object) -> None:
    assert status(measured, None) == "inconclusive"


@pytest.mark.parametrize("sign", [1, -1])
def test_a_control_is_strictly_less_than_the_window_away_before_or_after(sign: int) -> None:
    at_the_edge = Nearest([seen(True, "NL", sign * WINDOW)], WINDOW)
    inside = Nearest([seen(True, "NL", sign * (WINDOW - timedelta(milliseconds=1)))], WINDOW)
    assert at_the_edge.to(HASH, NOON) is None
    assert inside.to(HASH, NOON) is not None


def test_the_nearest_control_of_the_same_bridge_decides() -> None:
    controls = [
        seen(True, "NL", timedelta(hours=-3)),
        seen(False, "NL", timedelta(hours=2)),
        seen(True, "NL", timedelta(minutes=1), bridge="b" * 40),
    ]
    assert Nearest(controls, WINDOW).to(HASH, NOON) == controls[1]
    assert Nearest(controls, WINDOW).to("c" * 40, NOON) is None


def test_the_control_country_is_not_in_the_table_and_the_others_are_sorted() -> None:
    observations = [seen(True, "NL"), seen(False, "ZZ"), seen(False, "CN"), seen(True, "CN", timedelta(hours=1))]
    table = by_country(observations, [], control_country="NL", window=WINDOW)
    assert list(table) == ["CN", "ZZ"]
    assert [result["status"] for result in table["CN"][HASH]] == ["blocked", "ok"]


def test_a_plain_connection_from_the_same_country_is_told_beside() -> None:
    connections = [seen(True, "CN", timedelta(hours=1)), seen(False, "IT", timedelta(minutes=-30))]
    [result] = by_country([seen(False)], connections, control_country="NL", window=WINDOW)["IT"][HASH]
    assert result["tcp_connect_success"] is False
    assert result["tcp_connect_start_time"] == (NOON - timedelta(minutes=30)).timestamp()
    assert (result["start_time"], result["test_runtime"], result["report_file"]) == (
        NOON.timestamp(),
        1.5,
        "IT.yamloo",
    )
