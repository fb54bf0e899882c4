"""
How far a log is delivered: one record in a compacted Kafka topic, written in the transaction that carries the events.

key    <target topic>/<stream>/<log>, which is also the transactional id's end (rule 18)
value  JSON, see `Checkpoint`

Reading it is exact only after the transactional id was initialised: then no transaction of an older self is open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from spool.clock import Deadline
from spool.errors import KafkaUnavailable, OperatorNeeded
from spool.format.partitioner import murmur2
from spool.kafka.client_errors import explain
from spool.kafka.consumer import open_consumer
from spool.kafka.watermarks import end_of, topic_exists

VERSION = 1
_POSITIVE = 0x7FFFFFFF
# consume() waits this long for a full batch, which hardly ever comes; a start reads some five times.
_POLL_S = 0.02
_GROUP = "spool-checkpoint-reader"


class Checkpoint(NamedTuple):
    """
    next        the first log offset not delivered
    segment     the number of the segment that holds it, or will
    generation  number of rewinds
    again_until below this offset events come again after a rewind, and carry the generation
    partitions  the last Kafka offset written to each partition of the target, of this generation
    skipped     log offsets taken out by this transaction, as dead letters
    instance    who replays; empty = nobody claims it
    time_ms     when it was written, milliseconds since 1970
    reason, who of a rewind
    """

    next: int
    segment: int
    generation: int = 0
    again_until: int = 0
    partitions: Mapping[int, int] = {}
    skipped: tuple[int, ...] = ()
    instance: str = ""
    time_ms: int = 0
    reason: str = ""
    who: str = ""


class CheckpointKey(NamedTuple):
    """What a checkpoint belongs to."""

    topic: str
    stream: str
    log: str

    def encode(self) -> bytes:
        return "/".join(self).encode()

    @property
    def transactional_id(self) -> str:
        return f"spool/{'/'.join(self)}"

    def partition(self, partitions: int) -> int:
        """Where it lies in the checkpoint topic: Kafka's own hash of the key, masked to be positive."""
        return (murmur2([self.encode()])[0] & _POSITIVE) % partitions


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    document = {"version": VERSION, **checkpoint._asdict()}
    document["partitions"] = {str(partition): offset for partition, offset in checkpoint.partitions.items()}
    return json.dumps(document, separators=(",", ":")).encode()


def decode_checkpoint(value: bytes) -> Checkpoint:
    """OperatorNeeded for a version or text that this program does not know: guessing would skip or repeat events."""
    try:
        document = json.loads(value)
        if document.pop("version") == VERSION:
            document["partitions"] = {int(p): int(o) for p, o in document["partitions"].items()}
            document["skipped"] = tuple(document["skipped"])
            return Checkpoint(**document)
        reason = "of another version"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"not as it should be: {error}"
    raise OperatorNeeded(f"a checkpoint record is {reason}", hint="upgrade this program, or rewind the log")


class CheckpointReader:
    """Reads the checkpoint topic with two consumers: one that knows its end, one that sees only what is committed."""

    def __init__(self, kafka: Mapping[str, str], topic: str, partitions: int, *, timeout_s: float = 40.0) -> None:
        self._kafka = kafka
        self._topic = topic
        self._partitions = partitions
        self._timeout_s = timeout_s

    def read(self, key: CheckpointKey) -> Checkpoint | None:
        """
        The newest committed checkpoint. KafkaUnavailable when another log's transaction stays open for too long.

        Waits until everything that was in the partition at the call is decided, also other logs' transactions.
        """
        return self._read_partition(key.partition(self._partitions)).get(key.encode())

    def read_decided(self, key: CheckpointKey) -> Checkpoint | None:
        """The newest checkpoint before the first open transaction of its partition: waits for none, may be old."""
        return self._read_partition(key.partition(self._partitions), decided=True).get(key.encode())

    def read_all(self, *, decided: bool = False) -> dict[bytes, Checkpoint]:
        """
        The newest committed checkpoint of every key; none where the topic does not exist yet.

        decided: like `read_decided`, for looking around; what is sent next is decided by `read` after the claim.
        """
        found: dict[bytes, Checkpoint] = {}
        if not topic_exists(self._kafka, self._topic):
            return found
        for partition in range(self._partitions):
            found |= self._read_partition(partition, decided=decided)
        return found

    def _read_partition(self, partition: int, *, decided: bool = False) -> dict[bytes, Checkpoint]:
        deadline = Deadline.after(self._timeout_s)
        committed = open_consumer(self._kafka, _GROUP, more={"enable.partition.eof": True})
        uncommitted = open_consumer(self._kafka, _GROUP, committed=False)
        try:
            place = TopicPartition(self._topic, partition)
            low, end = end_of(uncommitted, place, deadline)
            committed.assign([TopicPartition(self._topic, partition, low)])
            return self._until(committed, place, end, deadline, decided=decided) if end > low else {}
        except KafkaException as error:
            raise explain(error, self._kafka, f"reading {self._topic}") from error
        finally:
            committed.close()
            uncommitted.close()

    def _until(
        self, consumer: Consumer, place: TopicPartition, end: int, deadline: Deadline, *, decided: bool
    ) -> dict[bytes, Checkpoint]:
        found: dict[bytes, Checkpoint] = {}
        while not deadline.expired:
            at_open_transaction = False
            for message in consumer.consume(1000, timeout=_POLL_S):
                error = message.error()
                if error is None:
                    found[message.key() or b""] = decode_checkpoint(message.value() or b"")
                elif error.code() == KafkaError._PARTITION_EOF:
                    # To a read_committed consumer the end is where the first open transaction begins.
                    at_open_transaction = True
                else:
                    raise KafkaException(error)
            if consumer.position([place])[0].offset >= end or (decided and at_open_transaction):
                return found
        raise KafkaUnavailable(
            f"{self._topic}: a transaction in partition {place.partition} stays open",
            hint="it ends by its timeout; the next run goes on",
        )
