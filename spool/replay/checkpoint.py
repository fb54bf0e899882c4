"""
How far a log is delivered: one record in a compacted Kafka topic, written in the transaction that carries the events.

key    <target topic>/<stream>/<log>, which is also the transactional id's end (rule 18)
value  JSON, see `Checkpoint`

Reading it is exact only after the transactional id was initialised: then no transaction of an older self is open.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from spool.clock import Deadline
from spool.errors import KafkaUnavailable
from spool.format.json_notes import Document, demand_version, number, read_note, text
from spool.format.partitioner import murmur2
from spool.kafka.client_errors import explain
from spool.kafka.consumer import open_consumer
from spool.kafka.watermarks import end_of, topic_exists

VERSION = 1
_POSITIVE = 0x7FFFFFFF
# consume() waits this long for a full batch, which almost never comes; a start reads some five times.
_POLL_S = 0.02
_GROUP = "spool-checkpoint-reader"


class TransactionStaysOpen(KafkaUnavailable):
    """A transaction in one partition of the checkpoint topic is not decided; it concerns that partition's logs only."""


class Checkpoint(NamedTuple):
    """
    next          the first log offset not delivered
    segment       the number of the segment that holds it, or will
    generation    number of rewinds
    again_until   below this offset events come again after a rewind, and carry the generation
    partitions    the last Kafka offset written to each partition of the target, of this generation
    skipped       log offsets taken out by this transaction, as dead letters
    instance      who replays; empty = nobody claims it
    time_ms       when it was written, milliseconds since 1970
    reason, who   of a rewind or a release
    topic_id      Kafka's id of the target; "" in records of before it was noted
    checked_end   Kafka offset in the deliveries topic below which the log's deliveries agreed with its checkpoint;
                  -1 in records of before it was noted
    checked_next  the log offset that those deliveries reach
    released      an operator let the log begin before its predecessor was delivered
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
    topic_id: str = ""
    checked_end: int = -1
    checked_next: int = 0
    released: bool = False


class CheckpointKey(NamedTuple):
    """What a checkpoint belongs to."""

    topic: str
    stream: str
    log: str

    @classmethod
    def decode(cls, data: bytes) -> CheckpointKey | None:
        """None for what is no key of a checkpoint."""
        parts = data.decode(errors="replace").split("/")
        return cls(*parts) if len(parts) == 3 else None

    def encode(self) -> bytes:
        return "/".join(self).encode()

    @property
    def transactional_id(self) -> str:
        return f"spool/{'/'.join(self)}"

    def partition(self, partitions: int) -> int:
        """Its partition of the checkpoint topic: Kafka's own hash of the key, masked to be positive."""
        return (murmur2([self.encode()])[0] & _POSITIVE) % partitions


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    document = {"version": VERSION, **checkpoint._asdict()}
    document["partitions"] = {str(partition): offset for partition, offset in checkpoint.partitions.items()}
    return json.dumps(document, separators=(",", ":")).encode()


def decode_checkpoint(value: bytes, where: str = "a checkpoint record") -> Checkpoint:
    """CorruptRecord for a version or text that this program does not know: guessing would skip or repeat events."""
    return read_note(value, where, _checkpoint, hint="upgrade this program, or rewind the log")


def _checkpoint(document: Document) -> Checkpoint:
    demand_version(document, VERSION)
    checked_end = document.get("checked_end", -1)
    return Checkpoint(
        next=number(document["next"]),
        segment=number(document["segment"]),
        generation=number(document["generation"]),
        again_until=number(document["again_until"]),
        partitions={int(partition): number(offset) for partition, offset in document["partitions"].items()},
        skipped=tuple(map(number, document["skipped"])),
        instance=text(document["instance"]),
        time_ms=number(document["time_ms"]),
        reason=text(document["reason"]),
        who=text(document["who"]),
        topic_id=text(document.get("topic_id", "")),
        checked_end=-1 if checked_end == -1 else number(checked_end),
        checked_next=number(document.get("checked_next", 0)),
        released=document.get("released", False) is True,
    )


class Checkpoints(Mapping[bytes, Checkpoint]):
    """
    The newest committed checkpoint of every key. A record is decoded when it is asked for, so a damaged one, or a
    partition with an open transaction, fails for its own logs only: CorruptRecord, TransactionStaysOpen.
    """

    def __init__(
        self,
        values: Mapping[bytes, bytes],
        partitions: int = 0,
        undecided: Mapping[int, TransactionStaysOpen] | None = None,
    ) -> None:
        self._values = values
        self._partitions = partitions
        self._undecided = undecided or {}

    def of(self, key: CheckpointKey) -> Checkpoint | None:
        """None where the log has none."""
        if self._undecided and (error := self._undecided.get(key.partition(self._partitions))):
            raise error
        return self.get(key.encode())

    def __getitem__(self, key: bytes) -> Checkpoint:
        return decode_checkpoint(self._values[key], f"the checkpoint of {key.decode(errors='replace')}")

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class CheckpointReader:
    """Reads the checkpoint topic with two consumers: one that knows its end, one that sees only what is committed."""

    def __init__(self, kafka: Mapping[str, str], topic: str, partitions: int, *, timeout_s: float = 40.0) -> None:
        self._kafka = kafka
        self._topic = topic
        self._partitions = partitions
        self._timeout_s = timeout_s

    def read(self, key: CheckpointKey) -> Checkpoint | None:
        """
        The newest committed checkpoint. TransactionStaysOpen when another log's transaction stays open for too long.

        Waits until everything that was in the partition at the call is decided, also other logs' transactions.
        """
        return Checkpoints(self._read_partition(key.partition(self._partitions))).of(key)

    def read_decided(self, key: CheckpointKey) -> Checkpoint | None:
        """The newest checkpoint before the first open transaction of its partition: waits for none, may be old."""
        return Checkpoints(self._read_partition(key.partition(self._partitions), decided=True)).of(key)

    def read_all(self, *, decided: bool = False) -> Checkpoints:
        """
        The newest committed checkpoint of every key; none where the topic does not exist yet.

        decided: like `read_decided`, for looking around; what is sent next is decided by `read` after the claim.
        """
        values: dict[bytes, bytes] = {}
        undecided: dict[int, TransactionStaysOpen] = {}
        if topic_exists(self._kafka, self._topic):
            for partition in range(self._partitions):
                try:
                    values |= self._read_partition(partition, decided=decided)
                except TransactionStaysOpen as error:
                    undecided[partition] = error
        return Checkpoints(values, self._partitions, undecided)

    def _read_partition(self, partition: int, *, decided: bool = False) -> dict[bytes, bytes]:
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
    ) -> dict[bytes, bytes]:
        values: dict[bytes, bytes] = {}
        while not deadline.expired:
            at_open_transaction = False
            for message in consumer.consume(1000, timeout=_POLL_S):
                error = message.error()
                if error is None:
                    _keep_newest(values, message.key(), message.value())
                elif error.code() == KafkaError._PARTITION_EOF:
                    # To a read_committed consumer the end is where the first open transaction begins.
                    at_open_transaction = True
                else:
                    raise KafkaException(error)
            if consumer.position([place])[0].offset >= end or (decided and at_open_transaction):
                return values
        raise TransactionStaysOpen(
            f"{self._topic}: a transaction in partition {place.partition} stays open",
            hint="it ends by its timeout; the next run goes on",
        )


def _keep_newest(values: dict[bytes, bytes], key: bytes | None, value: bytes | None) -> None:
    """A record without a value takes the key's checkpoint back; one without a key is not ours."""
    if key is not None and value is not None:
        values[key] = value
    elif key is not None:
        values.pop(key, None)
