"""What Kafka refuses of one log while it is replayed: letters that are put, alarms, and the limit of 100 a chunk."""

from __future__ import annotations

from collections.abc import Sequence

from spool.dead_letters.letters import put_letter
from spool.errors import SpoolError
from spool.format.segment_index import Chunk
from spool.kafka.transactional_producer import BatchRefused
from spool.replay.refusals import REFUSED_MAX, sift, too_many
from spool.replay.surroundings import Surroundings


class RefusedRecords:
    """`sifted` for each refusal of a chunk, then `committed` with the offsets that were skipped."""

    def __init__(self, around: Surroundings, log: str, topic: str) -> None:
        self._around, self._name, self._topic = around, around.subject(log), topic
        # Perhaps: an earlier run may have left the alarm open.
        self._was_refused = True

    def sifted(self, chunk: Chunk, refusal: BatchRefused, skipped: list[int]) -> Chunk:
        """The chunk without what was refused, which `skipped` gains; the letters are put."""
        around = self._around
        try:
            chunk, refused = sift(chunk, refusal.refused)
        except SpoolError:
            self._was_refused = True
            around.alarms.open("kafka_refuses", self._name, f"more than {REFUSED_MAX} records of one chunk")
            raise
        for record, reason in refused:
            put_letter(around.archive.store, around.archive.root, around.stream, self._topic, record, reason)
            skipped.append(record.position.offset)
        if len(skipped) > REFUSED_MAX:
            raise self.too_many(len(skipped)) from refusal
        return chunk

    def too_many(self, number: int) -> SpoolError:
        """The error, after its alarm."""
        self._was_refused = True
        self._around.alarms.open("kafka_refuses", self._name, f"{number} records of one chunk")
        return too_many(number)

    def committed(self, skipped: Sequence[int]) -> None:
        """What was refused stays known, and Kafka takes this log's records again."""
        if skipped:
            self._around.alarms.open("dead_letters", self._name, f"{len(skipped)} events, first at {min(skipped)}")
        if self._was_refused:
            self._around.alarms.close("kafka_refuses", self._name)
            self._was_refused = False
