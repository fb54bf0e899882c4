"""
What was delivered where: one record per transaction in the `deliveries` topic, beside the checkpoint.

The fast form of verify adds these up instead of reading every event.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from spool.format.json_notes import Document, demand_version, number, ranges, read_note, text

VERSION = 1
_HINT = "the deliveries topic holds what this program did not write, or a newer one wrote: upgrade this program"


class DeliveredBatch(NamedTuple):
    """A stored batch in Kafka: `kafka_offset` is its first record's, the log offsets are its first and last event's."""

    partition: int
    kafka_offset: int
    event_count: int
    first_offset: int
    last_offset: int


class Delivery(NamedTuple):
    """
    One transaction: the range of log offsets that it settled, as events, skipped ones or holes.

    topic_id  Kafka's id of the topic that the batches went into; "" in records of before it was noted
    """

    topic: str
    stream: str
    log: str
    generation: int
    first_offset: int
    next_offset: int
    batches: tuple[DeliveredBatch, ...]
    skipped: tuple[int, ...]
    holes: tuple[tuple[int, int], ...]
    topic_id: str = ""


def encode_delivery(delivery: Delivery) -> bytes:
    return json.dumps({"version": VERSION, **delivery._asdict()}, separators=(",", ":")).encode()


def decode_delivery(value: bytes, where: str = "a delivery") -> Delivery:
    """CorruptRecord names `where` for another version or what is no delivery."""
    return read_note(value, where, _delivery, hint=_HINT)


def _delivery(document: Document) -> Delivery:
    demand_version(document, VERSION)
    [(first, after)] = ranges([(document["first_offset"], document["next_offset"])])
    return Delivery(
        topic=text(document["topic"]),
        stream=text(document["stream"]),
        log=text(document["log"]),
        generation=number(document["generation"]),
        first_offset=first,
        next_offset=after,
        batches=tuple(DeliveredBatch(*map(number, batch)) for batch in document["batches"]),
        skipped=tuple(map(number, document["skipped"])),
        holes=ranges(document["holes"]),
        topic_id=text(document.get("topic_id", "")),
    )
