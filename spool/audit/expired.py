"""
Which unseen positions the topic's retention has removed, and which are truly missing.

An event expired if it was delivered into a place below the first offset that its partition still has. The deliveries
say where the batches of a range went; where that was above and below, the archive says in which partition an event was.
Each object is read once at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from spool.archive.archive import Archive
from spool.archive.ranges import ArchivedRange
from spool.audit.delivered import DeliveredLog
from spool.audit.range_set import Range, RangeSet, without
from spool.format.relayout import archived_records
from spool.names import LogName


def expired_ranges(
    archive: Archive,
    name: LogName,
    unseen: Sequence[Range],
    delivered: DeliveredLog,
    archived: Sequence[ArchivedRange],
) -> RangeSet:
    """The parts of `unseen` that expired. Costs nothing where nothing is unseen or nothing was removed."""
    removed = delivered.removed
    somewhere = RangeSet(removed_range for gone in removed.values() for removed_range in gone).within_all(unseen)
    everywhere: Sequence[Range] = somewhere
    for partition in delivered.partitions:
        everywhere = removed[partition].within_all(everywhere) if partition in removed else ()
    expired = RangeSet(everywhere)
    doubtful = RangeSet(without(somewhere, expired))
    for number, parts in _by_segment(doubtful, archived):
        for offset in _removed_in(archive, name, number, RangeSet(parts), removed):
            expired.add(offset, offset + 1)
    return expired


def _by_segment(doubtful: RangeSet, archived: Sequence[ArchivedRange]) -> Iterator[tuple[int, list[Range]]]:
    """The numbers of the segments that have a part of `doubtful`, with their parts."""
    for run in archived:
        for place, (first, after) in enumerate(pairwise((*run.starts, run.next))):
            if parts := doubtful.within(first, after):
                yield run.first_segment + place, parts


def _removed_in(
    archive: Archive, name: LogName, number: int, parts: RangeSet, removed: Mapping[int, RangeSet]
) -> Iterator[int]:
    """The offsets of one segment whose events went into a partition that no longer has them."""
    for chunk in archive.read(name, number).chunks:
        if not parts.within(chunk.first_offset, chunk.next_offset):
            continue
        for stored in chunk.batches:
            gone = removed.get(stored.partition, RangeSet())
            for record in archived_records(chunk._replace(batches=(stored,))):
                if record.position.offset in parts and record.position.offset in gone:
                    yield record.position.offset
