"""Kafka as verify reads it: the deliveries topic always, every record of the target in the full form."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from confluent_kafka import Message

from spool.audit.delivered import TakenPlaces, TopicNow
from spool.audit.log_evidence import LogEvidence
from spool.errors import SpoolError
from spool.event import SPOOL_HEADER
from spool.format.position_header import ArchivedPosition, decode_archived
from spool.kafka.topic_reader import read_committed
from spool.kafka.watermarks import Watermarks
from spool.names import LogName
from spool.replay.checkpoint import CheckpointKey, Checkpoints
from spool.replay.deliveries import Delivery, decode_delivery

LOGGER = logging.getLogger(__name__)


class DeliveriesReading:
    """
    Adds the deliveries into one topic to the evidence of one stream's logs. A record that cannot be read is its log's
    error; one that is nobody's is passed over, and counted in the log line at the end.
    """

    def __init__(
        self, topic: str, stream: str, checkpoints: Checkpoints, now: TopicNow, logs: Mapping[str, LogEvidence]
    ) -> None:
        self._topic = topic
        self._stream = stream
        self._checkpoints = checkpoints
        self._logs = logs
        self._places = TakenPlaces(now.topic_id)
        self._generations: dict[CheckpointKey, int | None] = {}

    def read(self, kafka: Mapping[str, str], deliveries_topic: str, ends: Mapping[int, Watermarks]) -> None:
        """Up to `ends`, which were taken after the checkpoints and before `now`. KafkaUnavailable, KafkaRefused."""
        for evidence in self._logs.values():
            evidence.deliveries_expired = any(marks.low > 0 for marks in ends.values())
        foreign = sum(not self._add(message) for message in read_committed(kafka, deliveries_topic, ends))
        if foreign:
            LOGGER.warning("%s records of %s are no deliveries of a log; passed over", foreign, deliveries_topic)

    def _add(self, message: Message) -> bool:
        """Whether the record is somebody's delivery."""
        key = CheckpointKey.decode(message.key() or b"")
        value = message.value()
        if key is None or value is None:
            return False
        if key.topic != self._topic:
            return True
        evidence = self._logs.get(key.log) if key.stream == self._stream else None
        try:
            delivery = decode_delivery(value, f"the delivery of {key.stream}/{key.log} at {message.offset()}")
            generation = self._generation_of(key)
        except SpoolError as error:
            if evidence is not None:
                evidence.error = evidence.error or error
            return True
        if generation == delivery.generation:
            self._compare_places(key, delivery)
        if evidence is not None:
            evidence.delivered.add(delivery)
        return True

    def _compare_places(self, key: CheckpointKey, delivery: Delivery) -> None:
        owner = str(LogName(key.stream, key.log))
        loser = self._places.loser_of(delivery, owner)
        if not loser:
            return
        what = f"{self._topic} lost acknowledged events of {loser}: {owner} was written to the same offsets"
        for name in (loser, owner):
            evidence = self._logs.get(name.partition("/")[2])
            if evidence is not None and name.startswith(f"{self._stream}/"):
                evidence.contradiction = evidence.contradiction or what

    def _generation_of(self, key: CheckpointKey) -> int | None:
        if key not in self._generations:
            checkpoint = self._checkpoints.of(key)
            self._generations[key] = checkpoint.generation if checkpoint else None
        return self._generations[key]


def add_records(
    kafka: Mapping[str, str], topic: str, ends: Mapping[int, Watermarks], logs: Mapping[str, LogEvidence]
) -> int:
    """Every committed record of the topic, to the evidence of its log; how many no spool wrote."""
    foreign = 0
    for message in read_committed(kafka, topic, ends):
        position = _position_of(message)
        if position is None:
            foreign += 1
        elif position.log in logs:
            logs[position.log].see(position, message.partition() or 0)
    return foreign


def _position_of(message: Message) -> ArchivedPosition | None:
    """None where the header is missing, or is not one of ours."""
    header = dict(message.headers() or ()).get(SPOOL_HEADER)
    try:
        return decode_archived(header) if isinstance(header, bytes) else None
    except ValueError:
        return None
