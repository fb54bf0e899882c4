"""Reading a topic as its consumers do: read_committed, to the end, or to the first open transaction, at the call."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from spool.clock import Deadline
from spool.errors import KafkaUnavailable
from spool.kafka.client_errors import explain
from spool.kafka.consumer import cluster_metadata, open_consumer
from spool.kafka.watermarks import Watermarks, end_of, watermarks

_GROUP = "spool-verify"
_BATCH = 10_000
_POLL_S = 0.1
# consume() waits this long for a full batch, which almost never comes.
_DECIDED_POLL_S = 0.02
# Longer than a transaction may stay open, which is what can hold a reader up.
SILENCE_MAX_S = 60.0


def partitions_of(kafka: Mapping[str, str], topic: str) -> dict[int, Watermarks]:
    """Every partition of the topic with its watermarks now; empty where the topic does not exist."""
    consumer = open_consumer(kafka, _GROUP)
    try:
        topic_metadata = cluster_metadata(consumer, topic, timeout_s=10).topics[topic]
    except KafkaException as error:
        raise explain(error, kafka, f"looking at {topic}") from error
    finally:
        consumer.close()
    return {} if topic_metadata.error is not None else watermarks(kafka, topic, sorted(topic_metadata.partitions))


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


class DecidedRecords(NamedTuple):
    """
    The committed records of one partition from an offset on, up to the first open transaction.

    low, high  the partition's watermarks at the call
    position   how far was read: everything below is decided
    """

    messages: list[Message]
    low: int
    high: int
    position: int

    @property
    def all_decided(self) -> bool:
        return self.position >= self.high


def read_decided(
    kafka: Mapping[str, str], topic: str, partition: int, start: int, deadline: Deadline, *, key: bytes
) -> DecidedRecords:
    """Those with this key only; waits for no transaction. KafkaUnavailable; TopicRefused where there is no topic."""
    place = TopicPartition(topic, partition)
    plain = open_consumer(kafka, _GROUP, committed=False)
    consumer = open_consumer(kafka, _GROUP, more={"enable.partition.eof": True})
    try:
        low, high = end_of(plain, place, deadline)
        position = max(low, start)
        if position >= high:
            return DecidedRecords([], low, high, max(low, min(start, high)))
        consumer.assign([TopicPartition(topic, partition, position)])
        messages, position = _until_undecided(consumer, place, position, high, deadline, key)
        return DecidedRecords(messages, low, high, position)
    except KafkaException as error:
        raise explain(error, kafka, f"reading {topic}") from error
    finally:
        consumer.close()
        plain.close()


def _until_undecided(
    consumer: Consumer, place: TopicPartition, start: int, high: int, deadline: Deadline, key: bytes
) -> tuple[list[Message], int]:
    messages: list[Message] = []
    position = start
    while not deadline.expired:
        at_the_end = False
        for message in consumer.consume(1000, timeout=_DECIDED_POLL_S):
            error = message.error()
            if error is None:
                if message.key() == key and (message.offset() or 0) < high:
                    messages.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                at_the_end = True
            else:
                raise KafkaException(error)
        position = max(position, consumer.position([place])[0].offset)
        if at_the_end or position >= high:
            return messages, min(position, high)
    raise KafkaUnavailable(f"{place.topic}/{place.partition} was not read to {high} in time")


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
