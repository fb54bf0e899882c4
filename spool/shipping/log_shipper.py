"""
Shipping one log, segment by segment and strictly in order:

    1. read the sealed segment under its recorded identity       spool/shipping/sealed_source.py
    2. lay it out, encode the object                             nothing outside of this process has changed yet
    3. put it if absent, read the floor after it                 dies here: the same put finds the same identity
    4. record it as shipped (fsync): waiters are answered        dies before: recorded by the next try
    5. remove local files that are shipped, lowest first,        dies here: removed by the next try
       never the highest

N+1 is put only after N is known to be ours. A number taken by another folder, or a predecessor that is not ours, is a
fork (fork.py). A number below the floor proves nothing: its file goes to `orphans/`.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from spool import failpoints
from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.disk import Disk
from spool.errors import ObjectMissing, OperatorNeeded
from spool.format import partitioner
from spool.format.layout import lay_out
from spool.format.object_format import encode_object
from spool.format.segment_index import ArchivedSegment
from spool.log.folder import LogFolder, SegmentFile, segment_files
from spool.log.shipped import ShippedState, read_shipped
from spool.names import LogName
from spool.settings import StreamSettings
from spool.shipping.fork import Fork, move_to_successor, resume
from spool.shipping.sealed_source import SealedSource, read_source
from spool.shipping.segment_put import SOURCE_SHA256, place_segment
from spool.shipping.shipped_record import is_orphan, keep_orphan, record_shipped

LOGGER = logging.getLogger(__name__)

failpoints.declare("archive.ship.encoded", "archive.local.deleted")


class Shipped(NamedTuple):
    """What was shipped: objects that are confirmed now and were not before, their events and their size."""

    objects: int = 0
    events: int = 0
    size_bytes: int = 0

    def plus(self, other: Shipped) -> Shipped:
        return Shipped(self.objects + other.objects, self.events + other.events, self.size_bytes + other.size_bytes)


class LogShipper:
    """Ships one log. Several may do so at once, in several processes: the conditional put keeps them apart."""

    def __init__(self, log: LogFolder, stream: StreamSettings, archive: Archive, alarms: AlarmSink) -> None:
        self._log = log
        self._stream = stream
        self._archive = archive
        self._alarms = alarms
        self._disk = Disk()
        self._name = LogName(log.stream, log.log)

    def ship_next(self) -> Shipped | None:
        """
        Ship the lowest segment that waits; None where none does.

        StoreUnavailable: try again. OperatorNeeded, CorruptSegment, CorruptObject: this log stands still until a
        person has looked, and has an alarm.
        """
        if resume(self._log, self._stream, self._archive):
            return Shipped()
        self._remove_shipped()
        file = self._next_file()
        if file is None:
            return None
        try:
            source = read_source(self._log, file, read_shipped(self._log.path))
        except FileNotFoundError:
            # Another shipper was quicker and has removed it.
            return Shipped()
        done = self._ship(file, source)
        self._remove_shipped()
        return done

    def waiting(self) -> int:
        """How many sealed segments are not yet recorded as shipped."""
        shipped = read_shipped(self._log.path).segment
        return sum(file.state == "sealed" and file.segment > shipped for file in segment_files(self._log.path))

    def _next_file(self) -> SegmentFile | None:
        """The lowest sealed segment that is not shipped and has the next one, which holds its identity, behind it."""
        shipped = read_shipped(self._log.path).segment
        files = segment_files(self._log.path)
        numbers = {file.segment for file in files}
        for file in files:
            if file.state == "sealed" and file.segment > shipped:
                return file if file.segment + 1 in numbers else None
        return None

    def _ship(self, file: SegmentFile, source: SealedSource) -> Shipped:
        if not self._follows_ours(file, source):
            return self._forked(file, None)
        if source.damage:
            self._alarms.open("segment_damaged", str(self._name), f"segment {file.segment}: {source.damage}")
        events = sum(commit.event_count for commit in source.contents.commits)
        archived = self._archived_segment(source)
        # Their bytes are laid out now: letting go of them keeps memory flat.
        source.contents.commits.clear()
        body = encode_object(archived)
        del archived
        failpoints.reach("archive.ship.encoded")
        placed = place_segment(self._archive, self._name, file.segment, body, source.identity)
        if placed.below_floor:
            return self._orphan(file, source)
        if not placed.ours:
            return self._forked(file, source)
        record_shipped(self._log.path, ShippedState(file.segment, source.contents.next_offset), self._disk)
        self._alarms.close("log_gap", str(self._name))
        LOGGER.info("shipped %s segment=%s events=%s bytes=%s", str(self._name), file.segment, events, len(body))
        return Shipped(1, events, len(body))

    def _archived_segment(self, source: SealedSource) -> ArchivedSegment:
        contents = source.contents
        partitions = self._stream.partitions
        return ArchivedSegment(
            stream=self._log.stream,
            log=self._log.log,
            segment=contents.header.segment,
            first_offset=contents.first_offset,
            next_offset=contents.next_offset,
            partitions=partitions,
            partitioner=partitioner.NAME,
            source_sha256=source.identity,
            previous_sha256=contents.header.previous_sha256,
            after=contents.header.after,
            holes=contents.holes,
            chunks=tuple(lay_out(contents.commits, log=self._log.log, partitions=partitions)),
        )

    def _follows_ours(self, file: SegmentFile, source: SealedSource) -> bool:
        """Whether the segment before this one is known to be ours; OperatorNeeded where it is nowhere."""
        number, before = file.segment, read_shipped(self._log.path).segment
        if is_orphan(self._log.path, number - 1):
            # Whose log went on there is unknown. This segment tells, if it was put before, or is an orphan too.
            return number < self._floor() or self._is_in_store(number, source)
        if number in (0, before + 1):
            return True
        try:
            found = self._archive.store.metadata(self._archive.key(self._name, number - 1))
            return found.get(SOURCE_SHA256) == source.contents.header.previous_sha256
        except ObjectMissing:
            pass
        if number - 1 < self._floor():
            return self._is_in_store(number, source)
        evidence = f"segment {number - 1} is neither here nor in the store, {number} is here"
        self._alarms.open("log_gap", str(self._name), evidence)
        raise OperatorNeeded(
            f"{self._name}: {evidence}",
            hint="bring the missing file back into the log's folder, or move the later ones away; see docs/runbooks",
        )

    def _floor(self) -> int:
        return self._archive.floor(self._name).segment

    def _is_in_store(self, number: int, source: SealedSource) -> bool:
        try:
            found = self._archive.store.metadata(self._archive.key(self._name, number))
        except ObjectMissing:
            return False
        return found.get(SOURCE_SHA256) == source.identity

    def _forked(self, file: SegmentFile, source: SealedSource | None) -> Shipped:
        move_to_successor(
            Fork(self._log, file.segment, compare=source is not None),
            self._stream, self._archive, self._alarms,
        )  # fmt: skip
        return Shipped()

    def _orphan(self, file: SegmentFile, source: SealedSource) -> Shipped:
        """Below the floor nothing can be compared (rule 15)."""
        first, next_ = source.contents.first_offset, source.contents.next_offset
        evidence = f"segment {file.segment}, offsets {first} to {next_ - 1}, below the floor"
        self._alarms.open("segment_orphaned", str(self._name), evidence)
        keep_orphan(self._log.path, file, first, next_, self._disk)
        return Shipped()

    def _remove_shipped(self) -> None:
        shipped = read_shipped(self._log.path).segment
        for file in segment_files(self._log.path)[:-1]:
            if file.state != "sealed" or file.segment > shipped:
                return
            self._disk.unlink(file.path)
            failpoints.reach("archive.local.deleted")
