"""
Taking a log: what is true before its first transaction is sent (rules 19, 22 and 26).

    1. leave it alone if another instance wrote its checkpoint less than 30 s ago
    2. init the transactional id: the producer that had it is fenced, its transaction ended
    3. read the checkpoint; compare it with the marker, with the topic, and with the deliveries
    4. commit it under our name; a log without one begins at the archive's floor
    5. put the marker if there is none
"""

from __future__ import annotations

from collections.abc import Callable

from spool.clock import now_ms
from spool.errors import NotOwner, OperatorNeeded, SpoolError
from spool.format.segment_index import ArchivedSegment
from spool.kafka.transactional_producer import KafkaSink
from spool.names import LogName
from spool.replay.agreement import compare_deliveries, holds_up_others, is_another_topic
from spool.replay.checkpoint import Checkpoint
from spool.replay.markers import Marker, put_marker, read_marker, replace_marker
from spool.replay.surroundings import Surroundings

OWNED_S = 30.0


class Claim:
    """One log's. `run` does all five steps; it raises, and leaves the producer to be dropped, where one fails."""

    def __init__(self, around: Surroundings, log: str, sink: KafkaSink) -> None:
        self._around = around
        self._log = log
        self._key = around.key(log)
        self._sink = sink

    def run(
        self, first_segment: Callable[[], ArchivedSegment | None], commit: Callable[[Checkpoint], None]
    ) -> Checkpoint:
        """
        The checkpoint to go on from, committed with our name. NotOwner; OperatorNeeded, with the alarm
        `kafka_replaced`, where Kafka is not what was delivered into; KafkaUnavailable.
        """
        around = self._around
        # What is decided by now is enough: waiting for our killed self's transaction would last until its timeout.
        self._refuse_if_owned(around.checkpoints.read_decided(self._key))
        self._sink.open()
        # The owner is not checked again: a claim made meanwhile is fenced now; if we left too, none would continue.
        stored = around.checkpoints.read(self._key)
        marker = read_marker(around.archive.store, around.archive.root, self._key)
        self._refuse_another_kafka(stored, marker)
        checkpoint = self._compared(stored, stored or self._first_checkpoint(first_segment()))
        commit(checkpoint._replace(instance=around.instance, skipped=()))
        if marker is None:
            put_marker(around.archive.store, around.archive.root, self._key, around.cluster)
        elif not marker.topic_id and around.cluster.target.topic_id:
            replace_marker(around.archive.store, around.archive.root, self._key, around.cluster)
        around.alarms.close("kafka_replaced", around.subject(self._log))
        return checkpoint

    def _refuse_if_owned(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None or checkpoint.instance in ("", self._around.instance):
            return
        # A time further ahead than that is another host's wrong clock; fencing guards what this only makes rare.
        age_s = (now_ms() - checkpoint.time_ms) / 1000
        if abs(age_s) < OWNED_S:
            raise NotOwner(
                f"{self._around.subject(self._log)} is replayed by {checkpoint.instance}, last seen {age_s:.0f} s ago",
                hint=f"it goes on by itself, or after {OWNED_S:.0f} s of silence",
            )

    def _refuse_another_kafka(self, checkpoint: Checkpoint | None, marker: Marker | None) -> None:
        if marker is None:
            return
        name, cluster = self._around.subject(self._log), self._around.cluster
        if checkpoint is None:
            topic = self._around.settings.checkpoint_topic
            raise self._contradiction(None, f"the checkpoint of {name} is gone from {topic}")
        if marker.cluster_id != cluster.id:
            raise kafka_replaced(
                self._around, self._log, f"{name} was delivered into cluster {marker.cluster_id}, this is {cluster.id}"
            )
        if is_another_topic(marker.topic_id, cluster.target.topic_id):
            # The checkpoint says more: where it ends. Without an id of its own, this is all there is.
            what = self._around.ledger.contradictions_at(self._key, checkpoint).get(self._key, "")
            raise kafka_replaced(
                self._around, self._log, f"topic {self._key.topic} is not the one {name} was delivered into; {what}"
            )

    def _first_checkpoint(self, first: ArchivedSegment | None) -> Checkpoint:
        if first is None:
            raise OperatorNeeded(
                f"{self._around.subject(self._log)} has no segment any more", hint="look at the bucket's versions"
            )
        return Checkpoint(next=first.first_offset, segment=first.segment)

    def _compared(self, stored: Checkpoint | None, checkpoint: Checkpoint) -> Checkpoint:
        around = self._around
        contradictions = around.ledger.contradictions_at(self._key, checkpoint)
        if own := contradictions.pop(self._key, ""):
            raise kafka_replaced(around, self._log, own)
        for key, what in contradictions.items():
            if holds_up_others(what):
                raise held_up(around.subject(self._log), str(LogName(key.stream, key.log)), what)
        look = compare_deliveries(around.kafka, around.settings.deliveries_topic, self._key, checkpoint)
        if look.what:
            raise self._contradiction(stored, look.what)
        return checkpoint._replace(
            topic_id=around.cluster.target.topic_id or checkpoint.topic_id,
            checked_end=look.end,
            checked_next=look.next,
        )

    def _contradiction(self, stored: Checkpoint | None, what: str) -> SpoolError:
        """
        What it means that deliveries or marker know more than the checkpoint in hand: NotOwner where another instance
        has fenced us and gone on since we read it, as the checkpoint of now shows; otherwise a lost one.
        """
        if self._around.checkpoints.read(self._key) != stored:
            return NotOwner(
                f"{self._around.subject(self._log)} was taken by another instance while it was compared",
                hint="it goes on there; the next scheduled run tries again",
            )
        return kafka_replaced(self._around, self._log, what)


def kafka_replaced(around: Surroundings, log: str, what: str) -> OperatorNeeded:
    """The error, after its alarm: Kafka, the topic or a note is not what the log was delivered into."""
    around.alarms.open("kafka_replaced", around.subject(log), what)
    return OperatorNeeded(
        f"{around.subject(log)}: Kafka or its topic was replaced: {what}",
        hint=f"rewind --stream {around.stream} --log {log} --to SEGMENT, or bring the old one back: "
        "docs/runbooks/kafka-replaced.md",
    )


def held_up(name: str, loser: str, what: str) -> OperatorNeeded:
    """The error of a log that must not write into a topic that lost another log's events."""
    return OperatorNeeded(
        f"{name} waits: its topic lost events of {loser}: {what}",
        hint=f"what is written now would hide the loss; rewind {loser} first: docs/runbooks/kafka-replaced.md",
    )
