"""
What was delivered where: one record a transaction in the `deliveries` topic, beside the checkpoint.

The fast form of verify adds these up instead of reading every event.
"""

from __future__ import annotations

import json
from typing import NamedTuple

VERSION = 1


class DeliveredBatch(NamedTuple):
    """A stored batch in Kafka: `kafka_offset` is its first record's, the log offsets are its first and last event's."""

    partition: int
    kafka_offset: int
    event_count: int
    first_offset: int
    last_offset: int


class Delivery(NamedTuple):
    """One transaction: the range of log offsets that it settled, as events, skipped ones or holes."""

    topic: str
    stream: str
    log: str
    generation: int
    first_offset: int
    next_offset: int
    batches: tuple[DeliveredBatch, ...]
    skipped: tuple[int, ...]
    holes: tuple[tuple[int, int], ...]


def encode_delivery(delivery: Delivery) -> bytes:
    return json.dumps({"version": VERSION, **delivery._asdict()}, separators=(",", ":")).encode()


def decode_delivery(value: bytes) -> Delivery:
    """ValueError for another version."""
    document = json.loads(value)
    if (version := document.pop("version")) != VERSION:
        raise ValueError(f"delivery of version {version}, this program reads {VERSION}")
    document["batches"] = tuple(DeliveredBatch(*batch) for batch in document["batches"])
    document["skipped"] = tuple(document["skipped"])
    document["holes"] = tuple((first, after) for first, after in document["holes"])
    return Delivery(**document)
