"""
Announcements from the topic of the stream `collector_batches`, read to its end each time, as one group per collector.

Offsets are committed by `done`, after the batches are ours. An event that is no announcement is passed over with a
warning that names its place: it stays readable in the archive, and must not keep the others.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from include.measurements.collect.announcements import Announcement, AnnouncementRefused, decode
from spool.errors import KafkaUnavailable

LOGGER = logging.getLogger(__name__)

CALL_S = 10.0
MESSAGES_MAX = 100_000


class KafkaAnnouncements:
    """`client` are settings of librdkafka, at least bootstrap.servers."""

    def __init__(self, client: Mapping[str, str], topic: str) -> None:
        self._client, self._topic = dict(client), topic
        self._ends: dict[int, int] = {}

    def pending(self, collector: str) -> list[Announcement]:
        with _Consumer(self._client, collector) as consumer:
            announcements, self._ends = consumer.read_to_the_end(self._topic)
        return [announcement for announcement in announcements if announcement.collector == collector]

    def done(self, collector: str) -> None:
        if self._ends:
            with _Consumer(self._client, collector) as consumer:
                consumer.commit(self._topic, self._ends)


class _Consumer:
    def __init__(self, client: Mapping[str, str], collector: str) -> None:
        from spool.kafka.consumer import open_consumer

        self._consumer: Any = open_consumer(client, f"collectors_sync.{collector}", more={"enable.partition.eof": True})

    def __enter__(self) -> _Consumer:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def read_to_the_end(self, topic: str) -> tuple[list[Announcement], dict[int, int]]:
        """Everything from the committed offsets to the ends, and how far it was read."""
        from confluent_kafka import KafkaError

        unread = self._assign_from_committed(topic)
        announcements: list[Announcement] = []
        ends: dict[int, int] = {}
        for _ in range(MESSAGES_MAX):
            if not unread:
                break
            message = self._consumer.poll(CALL_S)
            if message is None:
                raise KafkaUnavailable(f"no answer about {topic} for {CALL_S:.0f} s", hint="is Kafka up?")
            if not message.error():
                announcements += _announcement(message)
                ends[message.partition()] = message.offset() + 1
            elif message.error().code() == KafkaError._PARTITION_EOF:
                # Its offset is behind markers of transactions too, which no reader is given.
                unread.discard(message.partition())
                ends[message.partition()] = message.offset()
            else:
                raise KafkaUnavailable(f"{topic}: {message.error()}", hint="is Kafka up?")
        return announcements, ends

    def commit(self, topic: str, ends: Mapping[int, int]) -> None:
        from confluent_kafka import KafkaException, TopicPartition

        from spool.kafka.consumer import once_elected

        offsets = [TopicPartition(topic, partition, end) for partition, end in ends.items()]
        try:
            once_elected(lambda: self._consumer.commit(offsets=offsets, asynchronous=False))
        except KafkaException as error:
            raise KafkaUnavailable(f"{topic}: offsets not committed: {error}", hint="is Kafka up?") from error

    def _assign_from_committed(self, topic: str) -> set[int]:
        from confluent_kafka import KafkaException, TopicPartition

        from spool.kafka.consumer import cluster_metadata, once_elected

        try:
            partitions = cluster_metadata(self._consumer, topic, timeout_s=CALL_S).topics[topic].partitions
            wanted = [TopicPartition(topic, partition) for partition in partitions]
            # Where nothing was committed, `auto.offset.reset` begins at the first event there is. Right after a
            # broker's start the group's coordinator is still being elected.
            committed = once_elected(lambda: self._consumer.committed(wanted, timeout=CALL_S)) if wanted else []
            self._consumer.assign(committed)
        except KafkaException as error:
            raise KafkaUnavailable(f"{topic}: {error}", hint="is Kafka up?") from error
        return set(partitions)


def _announcement(message: Any) -> list[Announcement]:
    try:
        return [decode(message.value() or b"")]
    except AnnouncementRefused as refused:
        LOGGER.warning("%s/%s at %s: %s", message.topic(), message.partition(), message.offset(), refused)
        return []
