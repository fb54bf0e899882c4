"""What a demo load is: the request, checked, whoever made it (Airflow's form, REST, the command line)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from spool.errors import SettingsError
from spool.event import Acknowledgement

KeyDistribution = Literal["uniform", "zipf"]

# Bounds of a request. 5 million events of 200 bytes are about 1.5 GB of log: a long load, not a full disk.
EVENTS_MAX = 5_000_000
KEYS_MAX = 100_000
GROUP_SIZE_MAX = 1_000
VALUE_BYTES_MIN = 100
VALUE_BYTES_MAX = 10_000


@dataclass(frozen=True)
class DemoRequest:
    """
    One load.

    group_share  the part of the events that come in groups (all or none), 0 to 1
    group_size   events of one group
    keys         how many different keys; `zipf`: key n comes in proportion to 1/n
    seed         the same seed and numbers give the same events, ids included
    """

    stream: str = "demo"
    events: int = 10_000
    group_share: float = 0.1
    group_size: int = 10
    keys: int = 100
    key_distribution: KeyDistribution = "uniform"
    value_bytes: int = 200
    seed: int = 1
    acknowledgement: Acknowledgement | None = None

    def __post_init__(self) -> None:
        _between("events", self.events, 1, EVENTS_MAX)
        _between("group_share", self.group_share, 0, 1)
        _between("group_size", self.group_size, 2, GROUP_SIZE_MAX)
        _between("keys", self.keys, 1, KEYS_MAX)
        _between("value_bytes", self.value_bytes, VALUE_BYTES_MIN, VALUE_BYTES_MAX)
        _between("seed", self.seed, 0, 2**31 - 1)
        _one_of("key_distribution", self.key_distribution, ("uniform", "zipf"))
        _one_of("acknowledgement", self.acknowledgement, (None, "disk", "s3"))

    @property
    def groups(self) -> int:
        """How many whole groups the share makes."""
        return int(self.events * self.group_share) // self.group_size


def demo_request(conf: Mapping[str, Any]) -> DemoRequest:
    """From a conf payload; the acknowledgement `stream` means the stream's own. SettingsError names the key."""
    known = {field.name for field in fields(DemoRequest)}
    for key in conf:
        if key not in known:
            raise SettingsError(f"conf: unknown key {key!r}", hint=f"known keys are {', '.join(sorted(known))}")
    values = dict(conf)
    if values.get("acknowledgement") == "stream":
        values["acknowledgement"] = None
    return DemoRequest(**values)


def _between(key: str, value: object, low: float, high: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # type: ignore[operator]
        raise SettingsError(
            f"conf: {key} must be {low:,} to {high:,}, is {value!r}", hint="correct the conf and trigger again"
        )


def _one_of(key: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        raise SettingsError(
            f"conf: {key} must be one of {known}, is {value!r}", hint="correct the conf and trigger again"
        )
