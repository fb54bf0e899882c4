"""Reading a topic as its consumers do: read_committed, from the start to the end that it had at the call."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from spool.errors import KafkaUnavailable
from spool.kafka.client_errors import explain
from spool.kafka.consumer import cluster_metadata, open_consumer
from spool.kafka.watermarks import Watermarks, watermarks

_GROUP = "spool-verify"
_BATCH = 10_000
_POLL_S = 0.1
# Longer than a transaction may stay open, which is what can hold a reader up.
SILENCE_MAX_S = 60.0


def partitions_of(kafka: Mapping[str, str], topic: str) -> dict[int, Watermarks]:
    """Every partition of the topic with its watermarks now; empty where the topic does not exist."""
    consumer = open_consumer(kafka, _GROUP)
    try:
        found = cluster_metadata(consumer, topic, timeout_s=10).topics[topic]
    except KafkaException as error:
        raise explain(error, kafka, f"looking at {topic}") from error
    finally:
        consumer.close()
    return {} if found.error is not None else watermarks(kafka, topic, sorted(found.partitions))


def read_committed(kafka: Mapping[str, str], topic: str, ends: Mapping[int, Watermarks]) -> Iterator[Message]:
    """All committed records below `ends`. KafkaUnavailable when nothing comes for a minute."""
    consumer = open_consumer(
        kafka, _GROUP, more={"fetch.max.bytes": 16 * 1024 * 1024, "queued.max.messages.kbytes": 16 * 1024}
    )
    try:
        consumer.assign([TopicPartition(topic, p, marks.low) for p, marks in ends.items() if marks.high > marks.low])
        yield from _until(consumer, topic, {p: marks.high for p, marks in ends.items() if marks.high > marks.low})
    except KafkaException as error:
        raise explain(error, kafka, f"reading {topic}") from error
    finally:
        consumer.close()


def _until(consumer: Consumer, topic: str, ends: dict[int, int]) -> Iterator[Message]:
    heard = time.monotonic()
    while ends:
        messages = consumer.consume(_BATCH, timeout=_POLL_S)
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            if (message.offset() or 0) < ends.get(message.partition() or 0, 0):
                yield message
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_MAX_S:
            raise KafkaUnavailable(
                f"{topic}: partitions {sorted(ends)} do not reach their ends: a transaction stays open"
            )
        # The position also passes aborted and control records, which are never shown.
        for place in consumer.position([TopicPartition(topic, p) for p in ends]):
            if place.offset >= ends[place.partition]:
                del ends[place.partition]
