"""What a demo load is: the request, checked, whether it comes from Airflow's form, REST or the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from spool import config_file
from spool.config_file import Block, Key
from spool.event import Acknowledgement

KeyDistribution = Literal["uniform", "zipf"]

# Bounds of a request. 5 million events of 200 bytes are about 1.5 GB of log: a long load, not a full disk.
EVENTS_MAX = 5_000_000
KEYS_MAX = 100_000
GROUP_SIZE_MAX = 1_000
VALUE_BYTES_MIN = 100
VALUE_BYTES_MAX = 10_000


@dataclass(frozen=True)
class DemoRequest(Block):
    """One load."""

    stream: Annotated[str, Key("stream of the events")] = "demo"
    events: Annotated[int, Key("how many events", at_least=1, at_most=EVENTS_MAX)] = 10_000
    group_share: Annotated[
        float, Key("the part of the events that come in groups (all or none)", at_least=0, at_most=1)
    ] = 0.1
    group_size: Annotated[int, Key("events of one group", at_least=2, at_most=GROUP_SIZE_MAX)] = 10
    keys: Annotated[int, Key("how many different keys", at_least=1, at_most=KEYS_MAX)] = 100
    key_distribution: Annotated[KeyDistribution, Key("`uniform`, or `zipf`: key n comes in proportion to 1/n")] = (
        "uniform"
    )
    value_bytes: Annotated[
        int, Key("size of one payload", unit="bytes", at_least=VALUE_BYTES_MIN, at_most=VALUE_BYTES_MAX)
    ] = 200
    seed: Annotated[
        int, Key("the same seed and numbers give the same events, ids included", at_least=0, at_most=2**31 - 1)
    ] = 1
    acknowledgement: Annotated[Acknowledgement | None, Key("`s3` or `disk`; none means the stream's own")] = None

    @property
    def groups(self) -> int:
        """How many whole groups the share makes."""
        return int(self.events * self.group_share) // self.group_size


def demo_request(conf: Mapping[str, Any]) -> DemoRequest:
    """From a conf payload; the acknowledgement `stream` means the stream's own. SettingsError names the key."""
    values = dict(conf)
    if values.get("acknowledgement") == "stream":
        values["acknowledgement"] = None
    return config_file.check(values, DemoRequest, source="conf", hint="correct the conf and trigger again")
