"""What the deliveries topic says of the logs, added up as it is read: memory does not grow with the deliveries."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import NamedTuple

from spool.audit.range_set import RangeSet, size, without
from spool.kafka.watermarks import Watermarks
from spool.replay.agreement import is_another_topic
from spool.replay.deliveries import DeliveredBatch, Delivery

# Two transactions may note their deliveries in another order than they wrote: further apart than this they cannot be.
_PLACES = 16_384


class TopicNow(NamedTuple):
    """The target as it is: its id, and its partitions' watermarks, taken after the checkpoints."""

    topic_id: str
    ends: Mapping[int, Watermarks]


class DeliveredLog:
    """
    One log's deliveries.

    generation  that of its checkpoint; what older ones delivered may be gone with an older topic
    settled     log offsets, by generation, as events, skipped ones or holes
    skipped     log offsets that the newest delivery of them skipped
    removed     log offsets whose events retention removed, by partition: what is left there is not all that was sent
    partitions  of the target that events went into
    doubled     offsets that two deliveries of one generation settle
    short       events that a delivery's batches do not account for
    lost        events noted at places that the topic does not reach, or in another topic of the same name
    """

    def __init__(self, generation: int, topic: TopicNow) -> None:
        self._topic = topic
        self.generation = generation
        self.settled: dict[int, RangeSet] = defaultdict(RangeSet)
        self.removed: dict[int, RangeSet] = defaultdict(RangeSet)
        self.skipped = RangeSet()
        self.holes = RangeSet()
        self.partitions: set[int] = set()
        self.first: int | None = None
        self.doubled = self.short = self.lost = 0

    def add(self, delivery: Delivery) -> None:
        first, after = delivery.first_offset, delivery.next_offset
        self.first = first if self.first is None else min(first, self.first)
        self.doubled += self.settled[delivery.generation].add(first, after)
        self.partitions.update(batch.partition for batch in delivery.batches)
        self._note_skipped(delivery)
        for hole in delivery.holes:
            self.holes.add(*hole)
        events = sum(batch.event_count for batch in delivery.batches)
        short = max(0, after - first - events - len(delivery.skipped) - size(delivery.holes))
        self.short += short
        if delivery.generation == self.generation:
            self.lost += sum(batch.event_count for batch in delivery.batches if self._is_lost(delivery, batch))
        self._note_removed(delivery, is_whole=not short)

    def _note_skipped(self, delivery: Delivery) -> None:
        """The newest delivery of an offset decides: what was refused once may have been taken after a rewind."""
        first, after = delivery.first_offset, delivery.next_offset
        if self.skipped.within(first, after):
            self.skipped = RangeSet(without(self.skipped, [(first, after)]))
        for offset in delivery.skipped:
            self.skipped.add(offset, offset + 1)

    def all_settled(self) -> RangeSet:
        """Log offsets that any generation settled."""
        return RangeSet(delivered for settled in self.settled.values() for delivered in settled)

    def _is_lost(self, delivery: Delivery, batch: DeliveredBatch) -> bool:
        if is_another_topic(delivery.topic_id, self._topic.topic_id):
            return True
        marks = self._topic.ends.get(batch.partition)
        return marks is None or batch.kafka_offset + batch.event_count > marks.high

    def _note_removed(self, delivery: Delivery, *, is_whole: bool) -> None:
        """
        Of a delivery that accounts for all its events every event of a partition is in one of its batches. So the
        ranges of neighbouring deliveries join, however their events alternate between partitions.
        """
        last: dict[int, int] = {}
        kept: set[int] = set()
        for batch in delivery.batches:
            marks = self._topic.ends.get(batch.partition)
            if marks is None or batch.kafka_offset >= marks.low:
                kept.add(batch.partition)
            elif is_whole:
                last[batch.partition] = max(batch.last_offset, last.get(batch.partition, -1))
            else:
                self.removed[batch.partition].add(batch.first_offset, batch.last_offset + 1)
        for partition, offset in last.items():
            after = offset + 1 if partition in kept else delivery.next_offset
            self.removed[partition].add(delivery.first_offset, after)


class TakenPlaces:
    """
    Which Kafka offsets of a topic were answered for which log. One that is answered twice was lost in between: Kafka
    gave up a tail that it had acknowledged, and wrote on.
    """

    def __init__(self, topic_id: str) -> None:
        self._topic_id = topic_id
        self._taken: dict[int, RangeSet] = defaultdict(RangeSet)
        self._newest: dict[int, deque[tuple[int, int, str]]] = defaultdict(lambda: deque(maxlen=_PLACES))

    def loser_of(self, delivery: Delivery, owner: str) -> str:
        """Who had a place that this delivery has too; "" for nobody. Deliveries into another topic do not count."""
        if not self._topic_id or delivery.topic_id != self._topic_id:
            return ""
        loser = ""
        for batch in delivery.batches:
            first, after = batch.kafka_offset, batch.kafka_offset + batch.event_count
            taken, newest = self._taken[batch.partition], self._newest[batch.partition]
            if taken.add(first, after):
                loser = next((name for low, high, name in newest if low < after and first < high), "another log")
            newest.append((first, after, owner))
            if len(taken) > 2 * _PLACES:
                taken.join_first(_PLACES)
        return loser
