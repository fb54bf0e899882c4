"""What shipping leaves in a log's folder besides `shipped` (spool/log/shipped.py): files that could not be shipped."""

from __future__ import annotations

from pathlib import Path

from spool import failpoints
from spool.clock import Deadline
from spool.disk import Disk
from spool.event import OffsetRange
from spool.file_lock import locked
from spool.log.folder import SegmentFile
from spool.log.shipped import ShippedState, read_shipped, write_shipped

ORPHANS = "orphans"
LOCK = "shipped.lock"

failpoints.declare("archive.shipped.recorded", "archive.orphan.moved")


def record_shipped(log_path: Path, state: ShippedState, disk: Disk, deadline: Deadline) -> None:
    """
    Durably; never backwards, even if another process ships the same log.

    LockTimeout if another process stopped in the middle of this: the object stays where it was put, and the next
    shipper records it.
    """
    with locked(log_path / LOCK, deadline, name=f"{log_path.parent.name}/{log_path.name}/{LOCK}"):
        if state.segment > read_shipped(log_path).segment:
            write_shipped(log_path, state, disk)
    failpoints.reach("archive.shipped.recorded")


def keep_orphan(log_path: Path, file: SegmentFile, offsets: OffsetRange, disk: Disk, deadline: Deadline) -> None:
    """
    Put a segment aside that is below the floor. LockTimeout as above.

    1. make `orphans/` (fsync)   2. rename the file into it, its offsets in the name (fsync of `orphans/`)
    3. record the number, which also makes the removal from the log's folder durable: the log continues
    """
    folder = log_path / ORPHANS
    disk.make_folder(folder)
    disk.sync_folder(log_path)
    disk.rename(file.path, folder / f"{file.segment:012d}-{offsets.first}-{offsets.next}.sealed")
    disk.sync_folder(folder)
    failpoints.reach("archive.orphan.moved")
    record_shipped(log_path, ShippedState(file.segment, offsets.next), disk, deadline)


def is_orphan(log_path: Path, segment: int) -> bool:
    return any((log_path / ORPHANS).glob(f"{segment:012d}-*.sealed"))


def is_orphaned_offset(log_path: Path, offset: int) -> bool:
    """Whether the event at this offset is in an orphan: then it is unknown whether it is in the store."""
    for path in (log_path / ORPHANS).glob("*.sealed"):
        _segment, first, next_ = path.stem.split("-")
        if int(first) <= offset < int(next_):
            return True
    return False
