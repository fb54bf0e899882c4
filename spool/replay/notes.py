"""The records that a transaction writes beside its batches: the checkpoint and the delivery (rules 18 and 24)."""

from __future__ import annotations

from collections.abc import Sequence

from spool.clock import now_ms
from spool.format.segment_index import Chunk
from spool.kafka.transactional_producer import OutRecord
from spool.replay.checkpoint import Checkpoint, CheckpointKey, encode_checkpoint
from spool.replay.deliveries import DeliveredBatch, Delivery, encode_delivery
from spool.settings import Settings

Holes = tuple[tuple[int, int], ...]


class Notes:
    """Of one log."""

    def __init__(self, settings: Settings, key: CheckpointKey) -> None:
        self._settings = settings
        self._key = key

    def checkpoint_record(self, checkpoint: Checkpoint) -> OutRecord:
        topic, partitions = self._settings.checkpoint_topic, self._settings.checkpoint_partitions
        return OutRecord(topic, self._key.partition(partitions), self._key.encode(), encode_checkpoint(checkpoint))

    def delivery_record(self, delivery: Delivery) -> OutRecord:
        return OutRecord(self._settings.deliveries_topic, 0, self._key.encode(), encode_delivery(delivery))

    def announced(self, *, with_delivery: bool) -> list[tuple[str, int]]:
        """Where the records go, so that all partitions are added to the transaction at once."""
        checkpoint = (self._settings.checkpoint_topic, self._key.partition(self._settings.checkpoint_partitions))
        return [checkpoint, (self._settings.deliveries_topic, 0)] if with_delivery else [checkpoint]

    def delivery_of(
        self,
        chunk: Chunk,
        kafka_offsets: Sequence[int],
        held: Checkpoint,
        *,
        skipped: tuple[int, ...],
        holes: Holes,
    ) -> Delivery:
        """What the transaction of a chunk settled. `kafka_offsets` are of the chunk's batches."""
        batches = tuple(
            DeliveredBatch(stored.partition, offset, stored.event_count, stored.first_offset, stored.last_offset)
            for stored, offset in zip(chunk.batches, kafka_offsets, strict=True)
        )
        return Delivery(
            *self._key, held.generation, chunk.first_offset, chunk.next_offset, batches, skipped, holes, held.topic_id
        )


def checkpoint_after(held: Checkpoint, delivery: Delivery, segment: int, instance: str) -> Checkpoint:
    """The checkpoint that is committed with a delivery; `segment` is where the log goes on."""
    last = {batch.partition: batch.kafka_offset + batch.event_count - 1 for batch in delivery.batches}
    return held._replace(
        next=delivery.next_offset, segment=segment, partitions={**held.partitions, **last},
        skipped=delivery.skipped, instance=instance, time_ms=now_ms(),
    )  # fmt: skip
