"""Rule 11: more than 50,000 objects of a log a day are worth an alarm."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool.shipping import log_turn, object_rate
from spool.shipping.object_rate import WARN_ABOVE_A_DAY, ObjectRate
from tests.fakes.memory_store import MemoryStore
from tests.support.spool_host import SpoolHost

HOUR_NS = 3_600_000_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    now = [100 * HOUR_NS + 5]
    monkeypatch.setattr(object_rate, "boottime_ns", lambda: now[0])
    return now


def test_the_last_24_hours_count(clock: list[int]) -> None:
    rate = ObjectRate()
    for hour in range(30):
        rate.add(hour)
        rate.add(1)
        assert rate.a_day() == sum(range(max(0, hour - 23), hour + 1)) + min(24, hour + 1)
        clock[0] += HOUR_NS
    clock[0] += 30 * HOUR_NS
    assert rate.a_day() == 0


def test_the_limit_is_the_documented_one() -> None:
    assert WARN_ABOVE_A_DAY == 50_000


def test_the_alarm_opens_above_the_limit_and_closes_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: list[int]
) -> None:
    monkeypatch.setattr(log_turn, "WARN_ABOVE_A_DAY", 3)
    host = SpoolHost(tmp_path / "spool", MemoryStore())
    shipper = host.shipper()
    alarm = ("many_objects", str(host.name))
    host.append_segments("a", 3)
    shipper.ship_once()
    assert alarm not in host.alarms.now
    host.append("b")
    shipper.ship_once()
    assert "4 objects" in host.alarms.now[alarm]
    clock[0] += 25 * HOUR_NS
    shipper.ship_once()
    assert alarm not in host.alarms.now
