"""
Putting one segment where it belongs (rule 13). Whose object lies there is told by the source sha256 in its metadata,
never by its bytes: another release of zstd makes other bytes of the same segment.

    put goes through          ours
    412, the same sha256      ours: put before, by us or by another shipper of this folder
    412, another sha256       taken: two folders write one log (fork)
    412, then 404             put again
    anything else             StoreUnavailable: unknown whether it was put; the same call again finds out
"""

from __future__ import annotations

from typing import NamedTuple

from spool import failpoints
from spool.archive.archive import Archive
from spool.errors import ObjectExists, ObjectMissing, StoreUnavailable
from spool.names import LogName
from spool.store.object_store import ObjectStore

SOURCE_SHA256 = "source-sha256"
# Between a 412 and its 404 somebody deletes; that happens below the floor only, and hardly twice.
_TRIES = 5

failpoints.declare("archive.put.before", "archive.put.done", "archive.floor.checked")


class Placed(NamedTuple):
    """
    What became of a segment.

    ours         the object under its key is this segment
    below_floor  the number lies below the floor: what was there is unknown, and what we put counts for nothing
    """

    ours: bool
    below_floor: bool


def place_segment(archive: Archive, name: LogName, segment: int, body: bytes, source_sha256: str) -> Placed:
    """Put the object and read the floor after it. StoreUnavailable leaves open what happened: call again."""
    failpoints.reach("archive.put.before")
    ours = _put(archive.store, archive.key(name, segment), body, source_sha256)
    failpoints.reach("archive.put.done")
    floor = archive.floor(name)
    failpoints.reach("archive.floor.checked")
    return Placed(ours, segment < floor.segment)


def _put(store: ObjectStore, key: str, body: bytes, source_sha256: str) -> bool:
    for _ in range(_TRIES):
        try:
            store.put_if_absent(key, body, {SOURCE_SHA256: source_sha256})
            return True
        except ObjectExists:
            pass
        try:
            return store.metadata(key).get(SOURCE_SHA256) == source_sha256
        except ObjectMissing:
            continue
    raise StoreUnavailable(f"{key}: taken and missing in turn", hint="something deletes and puts objects here")
