"""
The replay of one log into one topic: the story of rules 19 to 26.

    claim    1. leave it alone if another instance wrote its checkpoint less than 30 s ago
             2. init the transactional id: whoever had it is fenced, its transaction ended
             3. read the checkpoint, compare it with the marker and with Kafka
             4. a fresh log: first a checkpoint without events, then the marker, then events
    advance  5. chunks of the archive in one transaction with the new checkpoint and the delivery
             6. what Kafka refuses is sifted out and kept as dead letters
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from spool.alarm import AlarmSink
from spool.clock import boottime_ns, now_ms
from spool.dead_letters.letters import put_letter
from spool.errors import LogGap, NotOwner, OperatorNeeded, SpoolError
from spool.event import COMMIT_EVENTS_MAX
from spool.format.segment_index import Chunk
from spool.kafka.aiokafka_private import Sending
from spool.kafka.topics import Cluster
from spool.kafka.transactional_producer import BatchRefused, Fenced, KafkaSink, OutRecord
from spool.kafka.watermarks import end_offsets
from spool.replay.archive_source import ArchiveSource, SourceChunk
from spool.replay.checkpoint import Checkpoint, CheckpointKey, CheckpointReader, encode_checkpoint
from spool.replay.deliveries import DeliveredBatch, Delivery, encode_delivery
from spool.replay.markers import put_marker, read_marker
from spool.replay.refusals import REFUSED_MAX, sift, too_many
from spool.replay.transaction_load import collect, fitting
from spool.settings import Settings
from spool.store.object_store import ObjectStore

LOGGER = logging.getLogger(__name__)

OWNED_S = 30.0
RENEW_S = 10.0
# Halving a batch of 50,000 takes 16 tries; a chunk has a handful of batches a partition.
TRIES_MAX = 2000


class Surroundings(NamedTuple):
    """What all logs of a stream share."""

    settings: Settings
    stream: str
    store: ObjectStore
    kafka: Mapping[str, str]
    cluster: Cluster
    checkpoints: CheckpointReader
    alarms: AlarmSink
    instance: str
    transaction_timeout_s: float


class Advance(NamedTuple):
    """What one transaction did."""

    events: int = 0
    laid_out_anew: int = 0
    dead_letters: int = 0
    delay_ms: int = 0


class _OldOffset(SpoolError):
    """Kafka answered an offset that it had given before. Raised within the producer's loop, explained outside."""


class LogReplay:
    """Owns the log from the first `advance` with something to send until `release`. An error drops its producer."""

    def __init__(self, around: Surroundings, log: str, source: ArchiveSource) -> None:
        self._around = around
        self.log = log
        self._key = CheckpointKey(around.cluster.target.name, around.stream, log)
        self._source = source
        self._sink = KafkaSink(
            around.kafka, self._key.transactional_id, transaction_timeout_s=around.transaction_timeout_s
        )
        self._checkpoint: Checkpoint | None = None
        self._renewed_ns = 0
        self._looked = False
        self._in_gap = True  # perhaps: an earlier run may have left the alarm open

    @property
    def name(self) -> str:
        return f"{self._around.stream}/{self.log}"

    def look(self, checkpoint: Checkpoint | None) -> None:
        """Place the source behind a checkpoint, without claiming anything."""
        self._seek(checkpoint)
        self._looked = True

    def advance(self, events_max: int | None = None) -> Advance | None:
        """Deliver the next transaction's worth; None when the archive has nothing more. Errors: rules 20 to 26.

        events_max ends the transaction behind the chunk that reaches it.
        """
        if not self._looked:
            self.look(self._around.checkpoints.read(self._key))
        if self._peek() is None:
            self._renew()
            return None
        if self._checkpoint is None or not self._sink.is_open or self._sink.is_worn:
            self._claim()
            if self._peek() is None:
                return None
        return self._deliver(collect(self._source, self.name, COMMIT_EVENTS_MAX if events_max is None else events_max))

    def _peek(self) -> SourceChunk | None:
        """A gap stops this log, with an alarm that closes when the missing segment has come."""
        try:
            chunk = self._source.peek()
        except LogGap as error:
            self._around.alarms.open("log_gap", self.name, str(error))
            self._in_gap = True
            raise
        if self._in_gap and chunk is not None:
            self._around.alarms.close("log_gap", self.name)
            self._in_gap = False
        return chunk

    def release(self) -> None:
        """Give the log up: the next instance need not wait. Never fails; a killed instance is waited for."""
        try:
            if self._sink.is_open and self._checkpoint is not None and self._checkpoint.instance:
                self._commit_checkpoint(self._checkpoint._replace(instance=""))
        except SpoolError as error:
            LOGGER.info("log=%s not released: %s", self.name, error)
        finally:
            self.drop()

    def drop(self) -> None:
        """After an error: the next `advance` looks and claims anew."""
        self._sink.drop()
        self._checkpoint = None
        self._looked = False

    def _claim(self) -> None:
        around = self._around
        # What is decided by now is enough: waiting for our killed self's transaction would last until its timeout.
        self._refuse_if_owned(around.checkpoints.read_decided(self._key))
        self._sink.open()
        # Not asked again who owns it: whoever claimed it meanwhile is fenced now; if we left too, nobody would go on.
        checkpoint = around.checkpoints.read(self._key)
        marker = read_marker(around.store, around.settings.root, self._key)
        if checkpoint is None and marker is not None:
            raise self._replaced(f"the checkpoint of {self.name} is gone from {around.settings.checkpoint_topic}")
        if marker is not None and marker.cluster_id != around.cluster.id:
            raise self._replaced(
                f"{self.name} was delivered into cluster {marker.cluster_id}, this is {around.cluster.id}"
            )
        if checkpoint is None:
            checkpoint = self._first_checkpoint()
        self._refuse_shrunk_topic(checkpoint)
        self._commit_checkpoint(checkpoint._replace(instance=around.instance, skipped=()))
        if marker is None:
            put_marker(around.store, around.settings.root, self._key, around.cluster.id)
        around.alarms.close("kafka_replaced", self.name)
        self._seek(checkpoint)

    def _refuse_if_owned(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None or checkpoint.instance in ("", self._around.instance):
            return
        # A time further ahead than that is another host's wrong clock; fencing guards what this only makes rare.
        age_s = (now_ms() - checkpoint.time_ms) / 1000
        if abs(age_s) < OWNED_S:
            self.drop()
            raise NotOwner(
                f"{self.name} is replayed by {checkpoint.instance}, last seen {age_s:.0f} s ago",
                hint=f"it goes on by itself, or after {OWNED_S:.0f} s of silence",
            )

    def _first_checkpoint(self) -> Checkpoint:
        first = self._source.first_segment()
        if first is None:
            raise OperatorNeeded(f"{self.name} has no segment any more", hint="look at the bucket's versions")
        return Checkpoint(next=first.first_offset, segment=first.segment)

    def _refuse_shrunk_topic(self, checkpoint: Checkpoint) -> None:
        ends = end_offsets(self._around.kafka, self._key.topic, sorted(checkpoint.partitions))
        for partition, last in checkpoint.partitions.items():
            if ends.get(partition, 0) <= last:
                raise self._replaced(
                    f"{self._key.topic}/{partition} ends at {ends.get(partition, 0)}, {self.name} wrote up to {last}"
                )

    def _replaced(self, what: str) -> OperatorNeeded:
        self.drop()
        self._around.alarms.open("kafka_replaced", self.name, what)
        return OperatorNeeded(
            f"Kafka or its topic was replaced: {what}",
            hint=f"rewind --stream {self._around.stream} --log {self.log} --to SEGMENT, or bring the old one back: "
            "docs/runbooks/kafka-replaced.md",
        )

    def _seek(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is not None:
            self._source.seek(checkpoint.segment, checkpoint.next)
            return
        first = self._source.first_segment()
        if first is not None:
            self._source.seek(first.segment, first.first_offset)

    def _renew(self) -> None:
        """An idle owner says every 10 s that it lives."""
        if self._checkpoint is not None and boottime_ns() - self._renewed_ns > RENEW_S * 1e9:
            self._commit_checkpoint(self._checkpoint._replace(skipped=()))

    def _deliver(self, taken: Sequence[SourceChunk]) -> Advance:
        assert self._checkpoint is not None
        anew = 0
        chunks: list[Chunk] = []
        for one in taken:
            chunk = fitting(one, self._around.cluster.target, self._checkpoint)
            anew += len(chunk.batches) if chunk is not one.chunk else 0
            chunks.append(chunk)
        whole = Chunk(
            self._checkpoint.next, taken[-1].next_offset, 0, 0,
            tuple(stored for chunk in chunks for stored in chunk.batches), sum(chunk.event_count for chunk in chunks),
        )  # fmt: skip
        holes = tuple(
            (hole.first, hole.next)
            for one in {id(one.segment): one for one in taken}.values()
            for hole in one.segment.holes
            if whole.first_offset <= hole.first < whole.next_offset
        )
        sent, skipped = self._send(whole, taken[-1].next_segment, holes)
        oldest = min((one.chunk.min_time_ms for one in taken if one.chunk.event_count), default=now_ms())
        if holes:
            self._around.alarms.open(
                "log_hole", self.name, f"{len(holes)} ranges of offsets have no events: {holes[:5]}"
            )
        return Advance(sent.event_count, anew, skipped, max(0, now_ms() - oldest))

    def _send(self, chunk: Chunk, next_segment: int, holes: tuple[tuple[int, int], ...]) -> tuple[Chunk, int]:
        """Send until Kafka takes it, sifting out what it refuses. Returns what was sent and how many were skipped."""
        skipped: list[int] = []
        for _ in range(TRIES_MAX):
            try:
                self._transact(chunk, next_segment, tuple(skipped), holes)
            except BatchRefused as refusal:
                chunk, refused = sift(chunk, refusal.refused)
                for record, reason in refused:
                    put_letter(
                        self._around.store,
                        self._around.settings.root,
                        self._around.stream,
                        self._key.topic,
                        record,
                        reason,
                    )
                    skipped.append(record.position.offset)
                if len(skipped) > REFUSED_MAX:
                    self._around.alarms.open("kafka_refuses", self.name, f"{len(skipped)} records of one chunk")
                    raise too_many(len(skipped)) from refusal
                self._open_again()
            else:
                if skipped:
                    self._around.alarms.open(
                        "dead_letters", self.name, f"{len(skipped)} events, first at {min(skipped)}"
                    )
                return chunk, len(skipped)
        raise too_many(len(chunk.batches))

    def _open_again(self) -> None:
        """After a refusal. NotOwner when somebody else went on meanwhile: what is in hand may be delivered by now."""
        self._sink.open()
        found = self._around.checkpoints.read(self._key)
        if found != self._checkpoint:
            self.drop()
            raise NotOwner(
                f"{self.name} was replayed by {found.instance or 'another' if found else 'another'} meanwhile",
                hint="it goes on from there with the next run",
            )

    def _transact(
        self, chunk: Chunk, next_segment: int, skipped: tuple[int, ...], holes: tuple[tuple[int, int], ...]
    ) -> None:
        held = self._checkpoint
        assert held is not None
        made: list[Checkpoint] = []

        def records(kafka_offsets: Sequence[int]) -> list[OutRecord]:
            batches = tuple(
                DeliveredBatch(stored.partition, offset, stored.event_count, stored.first_offset, stored.last_offset)
                for stored, offset in zip(chunk.batches, kafka_offsets, strict=True)
            )
            self._refuse_old_offsets(held, batches)
            last = {batch.partition: batch.kafka_offset + batch.event_count - 1 for batch in batches}
            checkpoint = held._replace(
                next=chunk.next_offset, segment=next_segment, partitions={**held.partitions, **last},
                skipped=skipped, instance=self._around.instance, time_ms=now_ms(),
            )  # fmt: skip
            made.append(checkpoint)
            delivery = Delivery(
                self._key.topic, self._around.stream, self.log, held.generation, chunk.first_offset,
                chunk.next_offset, batches, skipped, holes,
            )  # fmt: skip
            return [self._checkpoint_record(checkpoint), self._delivery_record(delivery)]

        sendings = [
            Sending(self._key.topic, stored.partition, stored.data, stored.event_count) for stored in chunk.batches
        ]
        self._in_transaction(lambda: self._sink.transact(sendings, records, self._announced(with_delivery=True)))
        self._checkpoint = made[0]
        self._renewed_ns = boottime_ns()

    def _commit_checkpoint(self, checkpoint: Checkpoint) -> None:
        checkpoint = checkpoint._replace(time_ms=now_ms())
        record = self._checkpoint_record(checkpoint)
        self._in_transaction(lambda: self._sink.transact([], lambda _: [record], self._announced(with_delivery=False)))
        self._checkpoint = checkpoint
        self._renewed_ns = boottime_ns()

    def _in_transaction(self, work: Callable[[], object]) -> None:
        try:
            work()
        except _OldOffset as error:
            raise self._replaced(str(error)) from error
        except Fenced as error:
            self.drop()
            raise NotOwner(f"{self.name}: {error}", hint="the newer one goes on; the next run tries again") from error
        except BatchRefused:
            raise
        except BaseException:
            self.drop()
            raise

    def _refuse_old_offsets(self, held: Checkpoint, batches: Sequence[DeliveredBatch]) -> None:
        for batch in batches:
            if batch.kafka_offset <= held.partitions.get(batch.partition, -1):
                raise _OldOffset(
                    f"{self._key.topic}/{batch.partition} answered offset {batch.kafka_offset}, "
                    f"{held.partitions[batch.partition]} was written before"
                )

    def _checkpoint_record(self, checkpoint: Checkpoint) -> OutRecord:
        topic, partitions = self._around.settings.checkpoint_topic, self._around.settings.checkpoint_partitions
        return OutRecord(topic, self._key.partition(partitions), self._key.encode(), encode_checkpoint(checkpoint))

    def _delivery_record(self, delivery: Delivery) -> OutRecord:
        return OutRecord(self._around.settings.deliveries_topic, 0, self._key.encode(), encode_delivery(delivery))

    def _announced(self, *, with_delivery: bool) -> list[tuple[str, int]]:
        settings = self._around.settings
        checkpoint = (settings.checkpoint_topic, self._key.partition(settings.checkpoint_partitions))
        return [checkpoint, (settings.deliveries_topic, 0)] if with_delivery else [checkpoint]
