"""Where partitions begin and end, transactions in flight included."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from spool.clock import Deadline
from spool.kafka.client_errors import explain

_TIMEOUT_S = 10.0
_RETRY_S = 0.05
_MOVING = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError._UNKNOWN_PARTITION,
)


class Watermarks(NamedTuple):
    """The first offset that is still there, and the one after the last."""

    low: int
    high: int


def watermarks(kafka: Mapping[str, str], topic: str, partitions: Sequence[int]) -> dict[int, Watermarks]:
    """Of the given partitions; one that does not exist is left out. KafkaUnavailable, KafkaRefused."""
    if not partitions:
        return {}
    consumer = Consumer(
        {
            **kafka,
            "group.id": "spool-watermarks",
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",
            "log_level": 0,
        }
    )
    try:
        known = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        return {
            partition: end_of(consumer, TopicPartition(topic, partition), Deadline.after(_TIMEOUT_S))
            for partition in partitions
            if partition in known
        }
    except KafkaException as error:
        raise explain(error, kafka, f"looking at {topic}") from error
    finally:
        consumer.close()


def topic_exists(kafka: Mapping[str, str], topic: str) -> bool:
    """Asks without making it, whatever the broker's auto.create.topics.enable. KafkaUnavailable, KafkaRefused."""
    admin = AdminClient({**kafka, "log_level": 0})
    try:
        return topic in admin.list_topics(timeout=_TIMEOUT_S).topics
    except KafkaException as error:
        raise explain(error, kafka, f"looking for {topic}") from error


def end_of(consumer: Consumer, place: TopicPartition, deadline: Deadline) -> Watermarks:
    """Of one partition; asked again while it changes its leader, as it does right after it was made. KafkaException."""
    while True:
        try:
            return Watermarks(*consumer.get_watermark_offsets(place, timeout=max(0.1, deadline.remaining_s)))
        except KafkaException as error:
            if deadline.expired or error.args[0].code() not in _MOVING:
                raise
            time.sleep(_RETRY_S)


def end_offsets(kafka: Mapping[str, str], topic: str, partitions: Sequence[int]) -> dict[int, int]:
    return {partition: marks.high for partition, marks in watermarks(kafka, topic, partitions).items()}
