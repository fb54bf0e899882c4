"""
The sealed segments of one log that wait to be shipped, in order.

The next one is found by its name, so that a backlog of any length costs the same a segment; the folder is listed only
where the name finds nothing: at the end of the backlog, or at a gap.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

from spool import failpoints
from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.clock import Deadline
from spool.disk import Disk
from spool.errors import CorruptSegment, ObjectMissing, OperatorNeeded, ProducerConflict
from spool.format.segment_header import HEADER_BYTES_MAX, SegmentHeader, decode_segment_header
from spool.log.folder import LogFolder, SegmentFile, open_path, sealed_path, segment_files
from spool.log.producer_file import needed_segment
from spool.log.producer_state import advance
from spool.log.shipped import ShippedState, read_shipped
from spool.names import LogName
from spool.shipping.predecessor import Predecessor, look_before
from spool.shipping.shipped_record import is_orphan, record_shipped

LOGGER = logging.getLogger(__name__)

_LOCK_S = 2.0
# How much of shipped segments stays on the host for the table of producers (rule 6), which a process that begins to
# append with sequences reads: half a second of its time at most.
KEPT_SEGMENTS_MAX = 64
KEPT_BYTES_MAX = 64 * 1024 * 1024


class WaitingSegments:
    """Looks at one log's folder. What is missing there is looked for in the store once a change."""

    def __init__(
        self, log_path: Path, archive: Archive, name: LogName, alarms: AlarmSink, disk: Disk, seal_bytes: int
    ) -> None:
        self._path = log_path
        self._archive = archive
        self._name = name
        self._alarms = alarms
        self._disk = disk
        self._kept_segments_max = max(1, min(KEPT_SEGMENTS_MAX, KEPT_BYTES_MAX // seal_bytes))
        self._accepted = -1  # the first segment of a run whose predecessor was looked for

    def next(self) -> SegmentFile | None:
        """
        The lowest one that has the next segment, which holds its identity, behind it; None where none has.

        Removes local files that are shipped. OperatorNeeded, with an alarm, where segments are missing.
        """
        number = read_shipped(self._path).segment + 1
        if sealed_path(self._path, number).exists() and self._is_here(number + 1):
            return SegmentFile(sealed_path(self._path, number), number, "sealed")
        files = segment_files(self._path)
        self._remove_shipped(files)
        self._refuse_gap(files)
        shipped, numbers = read_shipped(self._path).segment, {file.segment for file in files}
        for file in files:
            if file.state == "sealed" and file.segment > shipped:
                return file if file.segment + 1 in numbers else None
        return None

    def count(self) -> int:
        """How many are not recorded as shipped. Lists the folder."""
        shipped = read_shipped(self._path).segment
        return sum(file.state == "sealed" and file.segment > shipped for file in segment_files(self._path))

    def remove(self, file: SegmentFile) -> None:
        """Remove a file that is shipped and recorded, unless it is the log's highest, or producers need it."""
        if not self._is_here(file.segment + 1):
            return
        needed = needed_segment(self._path)
        if needed is None:
            self._unlink(file)
        elif file.segment + 1 - needed >= self._kept_segments_max:
            self._advance_producers(file.segment + 1)
            self._remove_shipped(segment_files(self._path))

    def end_before(self, segment: int) -> int | None:
        """The offset behind the last segment before this one, where it is known."""
        shipped = read_shipped(self._path)
        if segment == 0:
            return 0
        if shipped.segment == segment - 1:
            return shipped.next_offset
        try:
            return self._archive.index(self._name, segment - 1).next_offset
        except ObjectMissing:
            return None

    def refuse_empty_folder(self, segment: int) -> None:
        """OperatorNeeded, with an alarm, where no segment is left of a log that was written up to `segment`."""
        if not segment_files(self._path):
            raise self._missing(f"segment {segment}, which was written here, and all others are gone")

    def missing(self, segment: int, later: int) -> OperatorNeeded:
        """The error to raise; opens the alarm."""
        evidence = f"segment {segment} is neither here nor in the store, {later} is here"
        return self._missing(evidence)

    def _missing(self, evidence: str) -> OperatorNeeded:
        self._alarms.open("segment_missing", str(self._name), evidence)
        return OperatorNeeded(
            f"{self._name}: {evidence}",
            hint="bring the missing file back into the log's folder, or move the later ones away: docs/runbooks/gap.md",
        )

    def _is_here(self, number: int) -> bool:
        # In this order: an open segment may be sealed in between.
        return open_path(self._path, number).exists() or sealed_path(self._path, number).exists()

    def _remove_shipped(self, files: list[SegmentFile]) -> None:
        shipped, needed = read_shipped(self._path).segment, needed_segment(self._path)
        for file in files[:-1]:
            if file.state != "sealed" or file.segment > shipped or (needed is not None and file.segment >= needed):
                return
            self._unlink(file)

    def _unlink(self, file: SegmentFile) -> None:
        self._disk.unlink(file.path)
        failpoints.reach("archive.local.deleted")

    def _advance_producers(self, segment: int) -> None:
        """Save the table of producers as it was when `segment` began; what it cannot be read from stays."""
        try:
            advance(LogFolder(self._name.stream, self._name.log, self._path), self._disk, segment)
        except (ProducerConflict, CorruptSegment, FileNotFoundError) as error:
            LOGGER.warning("%s: its shipped segments stay on this host: %s", self._name, error)

    def _refuse_gap(self, files: list[SegmentFile]) -> None:
        """Whatever is missing below the last unbroken run must be in the store, and recorded."""
        shipped = read_shipped(self._path)
        if not files or files[-1].segment < shipped.segment:
            if shipped.segment >= 0:
                raise self._missing(f"segment {shipped.segment + 1} and all later ones are not here any more")
            return
        first = _last_run(files)
        if first.segment <= shipped.segment + 1 or first.segment == self._accepted:
            return
        header = _header_of(first)
        if header is None or is_orphan(self._path, first.segment - 1):
            return
        before = look_before(self._archive, self._name, first.segment, header.previous_sha256)
        if before is Predecessor.NOWHERE:
            if self._is_here(first.segment - 1):
                return  # it was renamed while the folder was listed
            raise self.missing(first.segment - 1, first.segment)
        if before is Predecessor.OURS:
            state = ShippedState(first.segment - 1, header.begins_at)
            record_shipped(self._path, state, self._disk, Deadline.after(_LOCK_S))
        self._accepted = first.segment


def _last_run(files: list[SegmentFile]) -> SegmentFile:
    """The first file of the highest unbroken run of numbers."""
    first = files[0]
    for lower, higher in pairwise(files):
        if higher.segment != lower.segment + 1:
            first = higher
    return first


def _header_of(file: SegmentFile) -> SegmentHeader | None:
    """None where it is damaged, or its file was sealed or removed since it was listed."""
    try:
        with file.path.open("rb") as opened:
            return decode_segment_header(opened.read(HEADER_BYTES_MAX), file.path.name)[0]
    except (FileNotFoundError, CorruptSegment):
        return None
