"""One log before verify: what the archive and the checkpoint say has to be in Kafka, and what Kafka shows of it."""

from __future__ import annotations

from spool.archive.archive import Archive
from spool.archive.ranges import archived_ranges
from spool.audit.delivered import DeliveredLog, TopicNow
from spool.audit.expired import expired_ranges
from spool.audit.range_set import Range, RangeSet, size, without
from spool.audit.seen import SeenLog
from spool.audit.verify_report import VerifyRow
from spool.errors import SpoolError
from spool.format.position_header import ArchivedPosition
from spool.kafka.topics import TargetTopic
from spool.names import LogName
from spool.replay.agreement import disagreement
from spool.replay.checkpoint import Checkpoint


class LogEvidence:
    """
    Made from the archive and the checkpoint; filled while Kafka is read; `row` is the verdict.

    error              the first error of this log's own notes in Kafka
    deliveries_expired notes of deliveries may be gone: their topic has lost its oldest
    """

    def __init__(
        self, archive: Archive, name: LogName, topic: str, checkpoint: Checkpoint | None, now: TopicNow
    ) -> None:
        self._archive = archive
        self._name = name
        self._ranges = archived_ranges(archive, name)
        self._floor = archive.floor(name).segment
        self._until = checkpoint.next if checkpoint else 0
        self._seen = SeenLog()
        self.delivered = DeliveredLog(checkpoint.generation if checkpoint else 0, now)
        self.deliveries_expired = False
        self.error: SpoolError | None = None
        self.contradiction = ""
        if checkpoint is not None:
            target = TargetTopic(topic, len(now.ends), 0, now.topic_id)
            ends = {partition: marks.high for partition, marks in now.ends.items()}
            self.contradiction = disagreement(checkpoint, target, ends)

    def see(self, position: ArchivedPosition, partition: int) -> None:
        """A record of this log; one that the archive or a rewind knows nothing of is not kept."""
        if not self._ranges or position.generation > self.delivered.generation:
            return
        if self._ranges[0].first <= position.offset < self._ranges[-1].next:
            self._seen.add(position.generation, partition, position.offset)

    def row(self, *, full: bool) -> VerifyRow:
        """The comparison. StoreUnavailable, CorruptObject where the archive has to be asked about expired events."""
        if self.error is not None:
            raise self.error
        delivered, archived = self.delivered, [(run.first, run.next) for run in self._ranges]
        holes = RangeSet([*(hole for run in self._ranges for hole in run.holes), *delivered.holes])
        expected = without(_below(archived, self._until), RangeSet([*holes, *delivered.skipped]))
        if full:
            unseen = [part for first, after in expected for part in self._seen.unseen(first, after)]
        else:
            unseen = without(expected, delivered.all_settled())
        missing = without(unseen, self._expired(unseen))
        noted = 0 if full else delivered.short + delivered.lost
        return VerifyRow(
            *self._name,
            archived=size(archived) - sum(run.hole_count for run in self._ranges),
            delivered=size(expected) - size(unseen),
            waiting=size(archived) - size(_below(archived, self._until)),
            skipped=size(delivered.skipped),
            holes=size(holes),
            expired=size(unseen) - size(missing),
            missing=size(missing) + noted,
            doubled=self._seen.doubled if full else delivered.doubled,
            out_of_order=self._seen.out_of_order,
            gaps=self._gaps(),
            error=self.contradiction,
        )

    def _expired(self, unseen: list[Range]) -> RangeSet:
        """Those removed by the topic's retention, and those whose delivery's note is older than the notes' own."""
        expired = expired_ranges(self._archive, self._name, unseen, self.delivered, self._ranges)
        if self.deliveries_expired:
            first = self.delivered.first
            for low, high in unseen:
                expired.add(low, high if first is None else min(high, first))
        return expired

    def _gaps(self) -> int:
        """Between the runs, and before the first one: the log begins at its floor."""
        lacks_first = bool(self._ranges) and self._ranges[0].first_segment > self._floor
        return max(0, len(self._ranges) - 1) + lacks_first


def _below(ranges: list[Range], until: int) -> list[Range]:
    return [(first, min(after, until)) for first, after in ranges if first < until]
