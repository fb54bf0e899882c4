"""
Which unseen positions the topic's retention has removed, and which are truly missing.

An event expired if it was delivered into a place below the first offset that its partition still has. The delivery
says where a batch went; the archive says in which partition an event was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spool.archive.archive import Archive
from spool.archive.ranges import ArchivedRange
from spool.audit.seen import Range, without
from spool.format.relayout import archived_records
from spool.kafka.watermarks import Watermarks
from spool.names import LogName
from spool.replay.deliveries import Delivery


def expired_ranges(
    archive: Archive,
    name: LogName,
    unseen: Sequence[Range],
    deliveries: Sequence[Delivery],
    ends: Mapping[int, Watermarks],
    archived: Sequence[ArchivedRange],
    *,
    deliveries_expired: bool,
) -> list[Range]:
    """The parts of `unseen` that expired. Costs nothing where nothing is unseen or nothing was removed."""
    if not unseen:
        return []
    known = [(one.first_offset, one.next_offset) for one in deliveries]
    found: list[Range] = []
    if deliveries_expired:
        # Not even the note of their delivery is left: it is older than the deliveries topic's retention.
        first_known = min((first for first, _ in known), default=None)
        found += [(a, min(b, first_known)) if first_known is not None else (a, b) for a, b in unseen]
        found = [(a, b) for a, b in found if a < b]
    if not any(marks.low > 0 for marks in ends.values()):
        return found
    removed = _removed_batches(deliveries, ends)
    for first, after in without(unseen, found):
        found += _expired_in(archive, name, (first, after), removed, archived)
    return found


def _removed_batches(deliveries: Sequence[Delivery], ends: Mapping[int, Watermarks]) -> list[tuple[int, int, int]]:
    """(partition, first, last log offset) of batches that begin below the first offset of their partition."""
    return [
        (batch.partition, batch.first_offset, batch.last_offset)
        for one in deliveries
        for batch in one.batches
        if batch.partition in ends and batch.kafka_offset < ends[batch.partition].low
    ]


def _expired_in(
    archive: Archive,
    name: LogName,
    unseen: Range,
    removed: Sequence[tuple[int, int, int]],
    archived: Sequence[ArchivedRange],
) -> list[Range]:
    found: list[Range] = []
    for run in archived:
        if run.next <= unseen[0] or run.first >= unseen[1]:
            continue
        for number in range(run.first_segment, run.last_segment + 1):
            segment = archive.read(name, number)
            if segment.next_offset <= unseen[0] or segment.first_offset >= unseen[1]:
                continue
            for chunk in segment.chunks:
                for stored in chunk.batches:
                    offsets = {
                        one.position.offset
                        for one in archived_records(chunk._replace(batches=(stored,)))
                        if unseen[0] <= one.position.offset < unseen[1]
                    }
                    found += [
                        (offset, offset + 1)
                        for offset in sorted(offsets)
                        if any(p == stored.partition and low <= offset <= high for p, low, high in removed)
                    ]
    return found
