"""
Which bridges are blocked where: each measurement of a bridge against the nearest one from the control country.

    measured   control    status
    yes        yes        ok
    no         yes        blocked
    yes        no         inconsistent
    no         no         offline
    neither yes nor no, either of them    invalid
    -          none       inconclusive

A control is of the same bridge, and less than the window away in time, before or after. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

Status = Literal["ok", "blocked", "inconsistent", "offline", "invalid", "inconclusive"]


class Observation(NamedTuple):
    """
    One measurement of one bridge.

    bridge    its hashed fingerprint
    success   what the test said: true, false, or anything else
    """

    bridge: str
    country: str
    started_at: datetime
    success: object
    runtime_s: object = None
    report_file: str = ""


_TABLE: Mapping[tuple[bool, bool], Status] = {
    (True, True): "ok",
    (False, True): "blocked",
    (True, False): "inconsistent",
    (False, False): "offline",
}


def status(measured: object, control: Observation | None) -> Status:
    """The table above."""
    if control is None:
        return "inconclusive"
    if not isinstance(measured, bool) or not isinstance(control.success, bool):
        return "invalid"
    return _TABLE[measured, control.success]


class Nearest:
    """Finds observations by bridge and time."""

    def __init__(self, observations: Iterable[Observation], window: timedelta) -> None:
        self._window = window
        self._of: dict[str, list[Observation]] = {}
        for observation in sorted(observations, key=lambda o: (o.bridge, o.started_at)):
            self._of.setdefault(observation.bridge, []).append(observation)

    def to(self, bridge: str, at: datetime) -> Observation | None:
        """The nearest in time, the earlier of two; None where none is less than the window away."""
        observations: Sequence[Observation] = self._of.get(bridge, ())
        position = bisect_left(observations, at, key=lambda o: o.started_at)
        near = [o for o in observations[max(0, position - 1) : position + 1] if abs(o.started_at - at) < self._window]
        return min(near, key=lambda o: abs(o.started_at - at), default=None)


def by_country(
    observations: Sequence[Observation],
    connections: Sequence[Observation],
    *,
    control_country: str,
    window: timedelta,
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """
    {country: {bridge: [result, ...]}}, each sorted; the control country is none of the countries.

    `connections` are plain TCP connections to the same bridges: the nearest from the same country is listed beside.
    """
    controls = Nearest((o for o in observations if o.country == control_country), window)
    nearby = {
        country: Nearest((o for o in connections if o.country == country), window)
        for country in {o.country for o in connections}
    }
    table: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for observation in sorted(observations, key=lambda o: (o.country, o.bridge, o.started_at, o.report_file)):
        if observation.country == control_country:
            continue
        control = controls.to(observation.bridge, observation.started_at)
        near = nearby.get(observation.country)
        connection = near.to(observation.bridge, observation.started_at) if near else None
        results = table.setdefault(observation.country, {}).setdefault(observation.bridge, [])
        results.append(_result(observation, control, connection))
    return table


def _result(observation: Observation, control: Observation | None, connection: Observation | None) -> dict[str, Any]:
    result = {
        "status": status(observation.success, control),
        "start_time": observation.started_at.timestamp(),
        "test_runtime": observation.runtime_s,
        "report_file": observation.report_file,
    }
    if control is not None:
        result["control_start_time"] = control.started_at.timestamp()
    if connection is not None:
        result["tcp_connect_success"] = connection.success
        result["tcp_connect_start_time"] = connection.started_at.timestamp()
        result["tcp_connect_runtime"] = connection.runtime_s
    return result
