"""
What the demo's last table counts: from the object store's listing and from a Kafka consumer of its own.

Knows the layout of the `spool` header and of the demo's payloads, nothing else of the engine.
"""

from __future__ import annotations

import json
import struct
import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

SPOOL_HEADER = struct.Struct(">BIQQI")  # version, generation, offset, group first, group size; then the log id


class Loaded(NamedTuple):
    """What one run appended: offsets of one log between `first` and `last`."""

    seed: int
    events: int


class Counted(NamedTuple):
    """What a read_committed consumer saw of the loads."""

    seen: int
    missing: int
    doubled: int
    out_of_order: int
    split_groups: int
    longest_delay_s: float


def read_committed(bootstrap: str, topic: str) -> Iterable[Message]:
    """Every committed record, to the ends the partitions had at the call."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap, "group.id": f"demo-{time.time_ns()}", "isolation.level": "read_committed",
            "enable.auto.commit": False, "enable.partition.eof": True, "log_level": 0,
        }
    )  # fmt: skip
    try:
        partitions = set(consumer.list_topics(topic, timeout=15).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        quiet_until = time.monotonic() + 60
        while partitions:
            messages = consumer.consume(10_000, timeout=1)
            if messages:
                quiet_until = time.monotonic() + 60
            elif time.monotonic() > quiet_until:
                raise TimeoutError(f"{topic}: nothing for 60 s")
            for message in messages:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    partitions.discard(message.partition() or 0)
                else:
                    raise RuntimeError(str(error))
    finally:
        consumer.close()


def count(bootstrap: str, topic: str, loads: list[Loaded]) -> Counted:
    """Every event of a load is known by seed and number: each must be there once, in order per key and partition."""
    wanted = {load.seed: load.events for load in loads}
    times: Counter[tuple[int, int]] = Counter()
    newest: dict[tuple[int, str, int], int] = {}
    groups: Counter[tuple[str, int, int]] = Counter()
    out_of_order, delay_s = 0, 0.0
    for message in read_committed(bootstrap, topic):
        payload = json.loads(message.value() or b"{}")
        seed, number = int(payload.get("seed", -1)), int(payload.get("n", -1))
        if seed not in wanted:
            continue
        times[(seed, number)] += 1
        lane = (seed, payload["key"], message.partition() or 0)
        out_of_order += number < newest.get(lane, -1)
        newest[lane] = max(number, newest.get(lane, -1))
        headers: dict[str, Any] = dict(message.headers() or ())
        _, _, _, first, size = SPOOL_HEADER.unpack_from(headers["spool"])
        if size > 1:
            groups[(headers["spool"][SPOOL_HEADER.size :].decode(), first, size)] += 1
        delay_s = max(delay_s, message.timestamp()[1] / 1000 - _seconds(headers["ce_time"].decode()))
    seen = sum(number < wanted[seed] for seed, number in times)
    return Counted(
        seen=sum(times.values()),
        missing=sum(wanted.values()) - seen,
        doubled=sum(times.values()) - len(times),
        out_of_order=out_of_order,
        split_groups=sum(number != size for (_, _, size), number in groups.items()),
        longest_delay_s=round(delay_s, 1),
    )


def _seconds(rfc3339: str) -> float:
    return datetime.fromisoformat(rfc3339).timestamp()
