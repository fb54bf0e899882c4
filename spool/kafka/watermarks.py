"""Where partitions begin and end, transactions in flight included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from spool.clock import Deadline
from spool.kafka.client_errors import explain
from spool.kafka.consumer import cluster_metadata, once_elected, open_admin, open_consumer

_TIMEOUT_S = 10.0


class Watermarks(NamedTuple):
    """The first offset that is still there, and the one after the last."""

    low: int
    high: int


def watermarks(kafka: Mapping[str, str], topic: str, partitions: Sequence[int]) -> dict[int, Watermarks]:
    """Of the given partitions; one that does not exist is left out. KafkaUnavailable, KafkaRefused."""
    if not partitions:
        return {}
    consumer = open_consumer(kafka, "spool-watermarks", committed=False)
    try:
        known = cluster_metadata(consumer, topic, timeout_s=_TIMEOUT_S).topics[topic].partitions
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
    admin = open_admin(kafka)
    try:
        return topic in cluster_metadata(admin, timeout_s=_TIMEOUT_S).topics
    except KafkaException as error:
        raise explain(error, kafka, f"looking for {topic}") from error


def end_of(consumer: Consumer, place: TopicPartition, deadline: Deadline) -> Watermarks:
    """Of one partition; asked again while it changes its leader, as it does right after it was made. KafkaException."""
    return once_elected(
        lambda: Watermarks(*consumer.get_watermark_offsets(place, timeout=max(0.1, deadline.remaining_s))),
        within_s=deadline.remaining_s,
    )


def end_offsets(kafka: Mapping[str, str], topic: str, partitions: Sequence[int]) -> dict[int, int]:
    return {partition: marks.high for partition, marks in watermarks(kafka, topic, partitions).items()}
