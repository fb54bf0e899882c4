"""What shipping leaves in a log's folder besides `shipped` (spool/log/shipped.py): files that could not be shipped."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from spool import failpoints
from spool.disk import Disk
from spool.log.folder import SegmentFile
from spool.log.shipped import ShippedState, read_shipped, write_shipped

ORPHANS = "orphans"

failpoints.declare("archive.shipped.recorded", "archive.orphan.moved")


def record_shipped(log_path: Path, state: ShippedState, disk: Disk) -> None:
    """Durably; never backwards, whoever else ships the same log."""
    descriptor = os.open(log_path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if state.segment > read_shipped(log_path).segment:
            write_shipped(log_path, state, disk)
    finally:
        os.close(descriptor)
    failpoints.reach("archive.shipped.recorded")


def keep_orphan(log_path: Path, file: SegmentFile, first: int, next_: int, disk: Disk) -> None:
    """
    Put a segment aside that lies below the floor.

    1. rename the file into `orphans/`, its offsets in the name   2. fsync   3. record the number: the log goes on
    """
    folder = log_path / ORPHANS
    disk.make_folder(folder)
    disk.rename(file.path, folder / f"{file.segment:012d}-{first}-{next_}.sealed")
    disk.sync_folder(folder)
    disk.sync_folder(log_path)
    failpoints.reach("archive.orphan.moved")
    record_shipped(log_path, ShippedState(file.segment, next_), disk)


def is_orphan(log_path: Path, segment: int) -> bool:
    return any((log_path / ORPHANS).glob(f"{segment:012d}-*.sealed"))


def is_orphaned_offset(log_path: Path, offset: int) -> bool:
    """Whether the event at this offset lies in an orphan: then it is unknown whether it is in the store."""
    for path in (log_path / ORPHANS).glob("*.sealed"):
        _segment, first, next_ = path.stem.split("-")
        if int(first) <= offset < int(next_):
            return True
    return False
