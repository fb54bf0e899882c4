"""
Counts what arrived, knowing nothing of the engine but the published layout of the `spool` header.

Reads the producers' journals and the topic (confluent-kafka, read_committed); never calls spool code.

    missing       accepted positions that no reader sees
    doubled       positions seen more than once
    changed       positions whose payload is not the journaled one
    strangers     payloads that no journal knows
    out_of_order  events of a key seen in a partition after a later one of the same key
    split_groups  groups of which a reader sees only a part
"""

from __future__ import annotations

import hashlib
import json
import struct
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.torture.producer import read_journal

_POLL_S = 0.1  # consume() waits so long for a full batch, also at the end of the topic
SPOOL_HEADER = struct.Struct(">BIQQI")  # version, generation, offset, group first, group size; the log id follows


class Seen(NamedTuple):
    """One delivered record."""

    log: str
    offset: int
    group_first: int
    group_size: int
    partition: int
    payload: bytes


class Verdict(NamedTuple):
    """What was counted; `clean` when nothing is wrong."""

    accepted: int
    attempted: int
    seen: int
    missing: int
    doubled: int
    changed: int
    strangers: int
    out_of_order: int
    split_groups: int

    @property
    def clean(self) -> bool:
        return not (
            self.missing or self.doubled or self.changed or self.strangers or self.out_of_order or self.split_groups
        )


def read_topic(bootstrap: str, topic: str, timeout_s: float = 30.0) -> list[Seen]:
    """Every committed record, in the order of each partition. TimeoutError when Kafka goes quiet before the end."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "torture-checker",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        partitions = sorted(consumer.list_topics(topic, timeout=timeout_s).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        seen: list[Seen] = []
        open_partitions = set(partitions)
        quiet_until = time.monotonic() + timeout_s
        while open_partitions:
            messages = consumer.consume(10_000, timeout=_POLL_S)
            if messages:
                quiet_until = time.monotonic() + timeout_s
            elif time.monotonic() > quiet_until:
                raise TimeoutError(f"{topic}: no end of partitions {sorted(open_partitions)} within {timeout_s} s")
            for message in messages:
                if message.error() is None:
                    seen.append(_seen(message))
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition())
                else:
                    raise RuntimeError(str(message.error()))
        return seen
    finally:
        consumer.close()


def _seen(message: object) -> Seen:
    header = dict(message.headers())["spool"]  # type: ignore[attr-defined]
    _, _, offset, group_first, group_size = SPOOL_HEADER.unpack_from(header)
    log = header[SPOOL_HEADER.size :].decode()
    return Seen(log, offset, group_first, group_size, message.partition(), message.value())  # type: ignore[attr-defined]


def judge(journals: list[Path], seen: list[Seen]) -> Verdict:
    """Compare; order of effects does not matter, everything has stopped."""
    accepted, attempted = _journaled(journals)
    at = {(s.log, s.offset): hashlib.sha256(s.payload).hexdigest() for s in seen}
    return Verdict(
        accepted=len(accepted),
        attempted=len(attempted),
        seen=len(seen),
        missing=sum(position not in at for position in accepted),
        doubled=sum(number - 1 for number in Counter((s.log, s.offset) for s in seen).values()),
        changed=sum(position in at and at[position] != sha for position, sha in accepted.items()),
        strangers=sum(sha not in attempted for sha in at.values()),
        out_of_order=_out_of_order(seen),
        split_groups=_split_groups(seen),
    )


def accepted_so_far(journals: list[Path]) -> int:
    """Positions that the journals say were accepted; they may be written meanwhile."""
    rows = (row for journal in journals for row in read_journal(journal) if "ok" in row)
    return sum(after - first for row in rows for first, after in row["ranges"])  # type: ignore[attr-defined]


def _journaled(journals: list[Path]) -> tuple[dict[tuple[str, int], str], set[str]]:
    """The payload hash of each accepted position, and of everything ever attempted."""
    accepted: dict[tuple[str, int], str] = {}
    attempted: set[str] = set()
    for journal in journals:
        hashes: dict[int, list[str]] = {}
        for row in read_journal(journal):
            if "try" in row:
                hashes[row["try"]] = [event[2] for event in row["events"]]  # type: ignore
                attempted.update(hashes[row["try"]])  # type: ignore
            else:
                offsets = [o for first, after in row["ranges"] for o in range(first, after)]  # type: ignore
                if len(offsets) != len(hashes[row["ok"]]):  # type: ignore
                    raise ValueError(f"{journal}: {len(offsets)} positions for {len(hashes[row['ok']])} events")  # type: ignore
                accepted.update({(row["log"], o): sha for o, sha in zip(offsets, hashes[row["ok"]], strict=True)})  # type: ignore
    return accepted, attempted


def _out_of_order(seen: list[Seen]) -> int:
    newest: dict[tuple[str, int], int] = {}
    wrong = 0
    for s in seen:
        document = json.loads(s.payload)
        lane = (document["key"], s.partition)
        wrong += document["sequence"] < newest.get(lane, -1)
        newest[lane] = max(document["sequence"], newest.get(lane, -1))
    return wrong


def _split_groups(seen: list[Seen]) -> int:
    members: Counter[tuple[str, int, int]] = Counter()
    for s in {(s.log, s.offset, s.group_first, s.group_size) for s in seen}:
        members[(s[0], s[2], s[3])] += 1
    return sum(number != size for (_, _, size), number in members.items() if size > 1)
