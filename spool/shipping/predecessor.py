"""What the store says of the segment before one of ours, when the local record does not say it."""

from __future__ import annotations

from enum import Enum

from spool.archive.archive import Archive
from spool.errors import ObjectMissing
from spool.names import LogName


class Predecessor(Enum):
    """
    The segment before.

    OURS         the object is the one that our segment names as the one before
    THEIRS       it is another one: two folders write one log
    BELOW_FLOOR  its number is retired: what was there is unknown
    NOWHERE      it is not in the store, and it should be
    """

    OURS = "ours"
    THEIRS = "theirs"
    BELOW_FLOOR = "below the floor"
    NOWHERE = "nowhere"


def look_before(archive: Archive, name: LogName, segment: int, previous_sha256: str) -> Predecessor:
    """Ask for segment `segment` - 1. StoreUnavailable; CorruptObject where it is there and cannot be read."""
    try:
        sha256 = archive.source_sha256(name, segment - 1)
    except ObjectMissing:
        return Predecessor.BELOW_FLOOR if segment - 1 < archive.floor(name).segment else Predecessor.NOWHERE
    return Predecessor.OURS if sha256 == previous_sha256 else Predecessor.THEIRS
