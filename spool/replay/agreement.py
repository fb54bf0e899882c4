"""
Whether Kafka still has what it acknowledged: compared before anything is sent, not believed (rule 26).

    topic        its id, and the end of each partition, against what every log of the topic wrote into it
    deliveries   where the log's deliveries end, against where its checkpoint says it stands

A topic that lost its tail (an unclean election, a cut log) looks whole again once anyone has written into it. So
a loss that concerns one log holds up every log of the topic until an operator has rewound the one that lost events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from spool.clock import Deadline
from spool.errors import CorruptRecord
from spool.kafka.topic_reader import read_decided
from spool.kafka.topics import TargetTopic
from spool.kafka.watermarks import end_offsets
from spool.replay.checkpoint import Checkpoint, CheckpointKey, Checkpoints
from spool.replay.deliveries import decode_delivery

# As long as a transaction may stay open, which is what can hold a reader up.
_READ_S = 60.0


class TopicLedger:
    """What the logs of one topic wrote into it, by their checkpoints and by what this process saw since."""

    def __init__(self, kafka: Mapping[str, str], target: TargetTopic) -> None:
        self._kafka = kafka
        self._target = target
        self._checkpoints: dict[CheckpointKey, Checkpoint] = {}
        self._last: dict[int, int] = {}

    def look(self, checkpoints: Checkpoints) -> dict[CheckpointKey, str]:
        """
        Take the checkpoints of the topic's logs, of every stream, and compare them with the topic as it is now.

        What contradicts the topic, by log. A checkpoint that cannot be read fails where its own log is looked at.
        """
        self._checkpoints = _of_topic(checkpoints, self._target.name)
        ends = end_offsets(self._kafka, self._target.name, range(self._target.partitions))
        return self._contradictions(ends)

    def contradictions_at(self, key: CheckpointKey, checkpoint: Checkpoint) -> dict[CheckpointKey, str]:
        """The same with a newer checkpoint of one log."""
        self._checkpoints[key] = checkpoint
        ends = end_offsets(self._kafka, self._target.name, range(self._target.partitions))
        return self._contradictions(ends)

    def last_written(self, partition: int, checkpoint: Checkpoint) -> int:
        """The highest Kafka offset of a partition that is known to be taken; -1 where none is."""
        return max(checkpoint.partitions.get(partition, -1), self._last.get(partition, -1))

    def note_written(self, partitions: Mapping[int, int]) -> None:
        """After a commit: the last Kafka offset of each partition."""
        for partition, offset in partitions.items():
            self._last[partition] = max(offset, self._last.get(partition, -1))

    def _contradictions(self, ends: Mapping[int, int]) -> dict[CheckpointKey, str]:
        compared = {key: disagreement(checkpoint, self._target, ends) for key, checkpoint in self._checkpoints.items()}
        return {key: what for key, what in compared.items() if what}


def disagreement(checkpoint: Checkpoint, target: TargetTopic, ends: Mapping[int, int]) -> str:
    """How the topic differs from what the checkpoint says was written into it; "" where it does not."""
    differences = []
    if is_another_topic(checkpoint.topic_id, target.topic_id):
        differences.append(f"topic {target.name} was created again (its id was {checkpoint.topic_id})")
    for partition, last in sorted(checkpoint.partitions.items()):
        if ends.get(partition, 0) <= last:
            differences.append(f"{target.name}/{partition} ends at {ends.get(partition, 0)}, written up to {last}")
    return "; ".join(differences)


def is_another_topic(noted: str, current: str) -> bool:
    """Whether two ids name two topics; an id that is not known proves nothing."""
    return bool(noted and current) and noted != current


def holds_up_others(contradiction: str) -> bool:
    """A topic's id stays evidence whatever is written next; a missing tail does not."""
    return "was created again" not in contradiction


class DeliveriesLook(NamedTuple):
    """
    What the deliveries topic says of one log.

    end    offset below which every transaction was decided and read: the next look begins there
    next   the log offset that the deliveries of the checkpoint's generation reach
    what   how that differs from the checkpoint; "" where it does not
    """

    end: int
    next: int
    what: str


def compare_deliveries(
    kafka: Mapping[str, str], topic: str, key: CheckpointKey, checkpoint: Checkpoint
) -> DeliveriesLook:
    """
    Read on where the last claim of the log ended. Both notes of a transaction are committed together, so deliveries
    that reach further mean a lost checkpoint, and deliveries that end earlier are lost themselves. KafkaUnavailable.
    """
    start = max(0, checkpoint.checked_end)
    records = read_decided(kafka, topic, 0, start, Deadline.after(_READ_S), key=key.encode())
    reached = checkpoint.checked_next if checkpoint.checked_end >= 0 else -1
    newest = checkpoint.generation
    for message in records.messages:
        delivery = decode_delivery(message.value() or b"", f"{topic}/0 at {message.offset()}")
        newest = max(newest, delivery.generation)
        if delivery.generation == checkpoint.generation:
            reached = max(reached, delivery.next_offset)
    what = ""
    if newest > checkpoint.generation:
        what = f"{topic} has deliveries of generation {newest}, the checkpoint is of {checkpoint.generation}"
    elif reached > checkpoint.next:
        what = f"the deliveries in {topic} reach offset {reached}, the checkpoint {checkpoint.next}: its newest is lost"
    elif records.high < start:
        what = f"{topic} ends at {records.high}, it was read up to {start}"
    elif records.all_decided and records.low <= start and -1 < reached < checkpoint.next:
        what = f"the deliveries in {topic} end at offset {reached}, the checkpoint says {checkpoint.next}"
    return DeliveriesLook(records.position, checkpoint.next, what)


def _of_topic(checkpoints: Checkpoints, topic: str) -> dict[CheckpointKey, Checkpoint]:
    readable: dict[CheckpointKey, Checkpoint] = {}
    for raw in checkpoints:
        key = CheckpointKey.decode(raw)
        if key is None or key.topic != topic:
            continue
        try:
            readable[key] = checkpoints[raw]
        except CorruptRecord:
            continue  # stops its own log, where that is looked at
    return readable
