"""
Shipping one log, segment by segment and strictly in order:

    1. read the sealed segment under its recorded identity       spool/shipping/sealed_source.py
    2. lay it out, encode the object                             nothing outside of this process has changed yet
    3. put it if absent, look for it, read the floor             dies here: the same put finds the same identity
    4. record it as shipped (fsync): waiters are answered        dies before: recorded by the next try
    5. remove local files that are shipped, lowest first,        dies here: removed by the next try
       never the highest

N+1 is put only after N is known to be ours. A number taken by another folder, or a predecessor that is not ours, is a
fork (fork.py). A number below the floor proves nothing: its file goes to `orphans/`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from spool import failpoints
from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.clock import Deadline
from spool.disk import Disk
from spool.event import OffsetRange
from spool.format import partitioner
from spool.format.layout import lay_out
from spool.format.object_format import encode_object
from spool.format.segment_index import ArchivedSegment, Hole
from spool.log.folder import LogFolder, SegmentFile
from spool.log.shipped import ShippedState, read_shipped
from spool.names import LogName
from spool.settings import StreamSettings
from spool.shipping.fork import Fork, Forking, move_to_successor, resume
from spool.shipping.predecessor import Predecessor, look_before
from spool.shipping.sealed_source import SealedSource, read_source
from spool.shipping.segment_put import place_segment
from spool.shipping.shipped_record import is_orphan, keep_orphan, record_shipped
from spool.shipping.waiting_segments import WaitingSegments
from spool.store.object_store import CALL_S, call_limit_s

LOGGER = logging.getLogger(__name__)

# The locks here are held for moments. A process that stopped while holding one must not keep the other logs waiting.
LOCK_S = 2.0

failpoints.declare("archive.ship.encoded", "archive.local.deleted")


class Shipped(NamedTuple):
    """What was shipped: objects that are confirmed now and were not before, their events and their size."""

    objects: int = 0
    events: int = 0
    size_bytes: int = 0

    def plus(self, other: Shipped) -> Shipped:
        return Shipped(self.objects + other.objects, self.events + other.events, self.size_bytes + other.size_bytes)


class LogShipper:
    """
    Ships one log. Several may do so at once, in several processes: the conditional put keeps them apart.

    beat: called before a put with the seconds that it may take beyond those of a small one
    """

    def __init__(
        self,
        log: LogFolder,
        stream: StreamSettings,
        archive: Archive,
        alarms: AlarmSink,
        *,
        disk: Disk | None = None,
        beat: Callable[[float], None] = lambda busy_s: None,
    ) -> None:
        self._log = log
        self._stream = stream
        self._archive = archive
        self._alarms = alarms
        self._disk = disk or Disk()
        self._beat = beat
        self._name = LogName(log.stream, log.log)
        self._waiting = WaitingSegments(log.path, archive, self._name, alarms, self._disk, stream.seal_bytes)

    def ship_next(self) -> Shipped | None:
        """
        Ship the lowest segment that waits; None where none does.

        StoreUnavailable, LockTimeout: try again. OperatorNeeded, CorruptSegment, CorruptObject: this log stands still
        until a person has looked.
        """
        if resume(self._forking()):
            return Shipped()
        file = self._waiting.next()
        if file is None:
            return None
        try:
            source = read_source(self._log, file, read_shipped(self._log.path))
        except FileNotFoundError:
            # Another shipper was quicker and has removed it.
            return Shipped()
        return self._ship(file, source)

    def waiting(self) -> int:
        """How many sealed segments are not yet recorded as shipped."""
        return self._waiting.count()

    def refuse_empty_folder(self, segment: int) -> None:
        """OperatorNeeded, with an alarm, where no segment is left of a log that was written up to `segment`."""
        self._waiting.refuse_empty_folder(segment)

    def _ship(self, file: SegmentFile, source: SealedSource) -> Shipped:
        if not self._follows_ours(file, source):
            return self._forked(file, None)
        if source.damage:
            self._alarms.open("segment_damaged", str(self._name), f"segment {file.segment}: {source.damage}")
        archived = self._archived_segment(source)
        # Their bytes are laid out now: letting go of them keeps memory flat.
        source.contents.commits.clear()
        events, body = archived.event_count, encode_object(archived)
        del archived
        failpoints.reach("archive.ship.encoded")
        self._beat(call_limit_s(len(body)) - CALL_S)
        placed = place_segment(self._archive, self._name, file.segment, body, source.identity)
        if placed.below_floor:
            return self._orphan(file, source)
        if not placed.ours:
            return self._forked(file, source)
        state = ShippedState(file.segment, source.contents.next_offset)
        record_shipped(self._log.path, state, self._disk, Deadline.after(LOCK_S))
        self._waiting.remove(file)
        self._alarms.close("segment_missing", str(self._name))
        LOGGER.info("shipped %s segment=%s events=%s bytes=%s", self._name, file.segment, events, len(body))
        return Shipped(1, events, len(body))

    def _archived_segment(self, source: SealedSource) -> ArchivedSegment:
        contents = source.contents
        partitions = self._stream.partitions
        hole = self._hole_before(source)
        return ArchivedSegment(
            stream=self._log.stream,
            log=self._log.log,
            segment=contents.header.segment,
            first_offset=hole[0].first if hole else contents.first_offset,
            next_offset=contents.next_offset,
            partitions=partitions,
            partitioner=partitioner.NAME,
            source_sha256=source.identity,
            previous_sha256=contents.header.previous_sha256,
            after=contents.header.after,
            holes=(*hole, *contents.holes),
            chunks=tuple(lay_out(contents.commits, log=self._log.log, partitions=partitions)),
        )

    def _hole_before(self, source: SealedSource) -> tuple[Hole, ...]:
        """
        Offsets that recovery left out before this segment, because commits that it cannot read may have had them.

        Headers say so themselves (`previous_next`), but for those that an older program wrote.
        """
        first_offset = source.contents.first_offset
        before = self._waiting.end_before(source.contents.header.segment)
        if before is None or before >= first_offset:
            return ()
        return (Hole(before, first_offset, "the segment began again behind what could not be read"),)

    def _follows_ours(self, file: SegmentFile, source: SealedSource) -> bool:
        """Whether the segment before this one is known to be ours; OperatorNeeded where it is nowhere."""
        number = file.segment
        if is_orphan(self._log.path, number - 1):
            # Which folder kept the log is unknown. This segment decides: it was put before, or is an orphan too.
            return number < self._archive.floor(self._name).segment or self._is_in_store(number, source)
        if number in (0, read_shipped(self._log.path).segment + 1):
            return True
        before = look_before(self._archive, self._name, number, source.contents.header.previous_sha256)
        if before is Predecessor.NOWHERE:
            raise self._waiting.missing(number - 1, number)
        return before is Predecessor.OURS or (before is Predecessor.BELOW_FLOOR and self._is_in_store(number, source))

    def _is_in_store(self, number: int, source: SealedSource) -> bool:
        following = look_before(self._archive, self._name, number + 1, source.identity)
        return following is Predecessor.OURS

    def _forking(self) -> Forking:
        return Forking(self._log, self._stream, self._archive, self._alarms, self._disk, self._beat)

    def _forked(self, file: SegmentFile, source: SealedSource | None) -> Shipped:
        move_to_successor(self._forking(), Fork(file.segment, compare=source is not None))
        return Shipped()

    def _orphan(self, file: SegmentFile, source: SealedSource) -> Shipped:
        """Below the floor nothing can be compared (rule 15)."""
        offsets = OffsetRange(source.contents.first_offset, source.contents.next_offset)
        evidence = f"segment {file.segment}, offsets {offsets.first} to {offsets.next - 1}, below the floor"
        self._alarms.open("segment_orphaned", str(self._name), evidence)
        keep_orphan(self._log.path, file, offsets, self._disk, Deadline.after(LOCK_S))
        return Shipped()
