"""
Putting one segment where it belongs (rule 13). Whose object is there is decided by the source sha256 in its
metadata, or in its footer where the metadata was lost (a bucket that was restored by a tool that drops it); never by
its bytes: another release of zstd makes other bytes of the same segment.

    put answered, and the object is there   ours
    put answered, and it is not             StoreUnavailable: the answer was not the store's, or not true
    412, the same sha256                    ours: put before, by us or by another shipper of this folder
    412, another sha256                     taken: two folders write one log (fork)
    412, then 404                           put again
    anything else                           StoreUnavailable: unknown whether it was put; the same call again finds out
"""

from __future__ import annotations

from typing import NamedTuple

from spool import failpoints
from spool.archive.archive import SOURCE_SHA256, Archive
from spool.errors import ObjectExists, ObjectMissing, StoreUnavailable
from spool.names import LogName

__all__ = ["SOURCE_SHA256", "Placed", "place_segment"]

# Between a 412 and its 404 somebody deletes; that happens below the floor only, and almost never twice.
_TRIES = 5

failpoints.declare("archive.put.before", "archive.put.done", "archive.floor.checked")


class Placed(NamedTuple):
    """
    What became of a segment.

    ours         the object under its key is this segment
    below_floor  the number is below the floor: what was there is unknown, and what we put does not count
    """

    ours: bool
    below_floor: bool


def place_segment(archive: Archive, name: LogName, segment: int, body: bytes, source_sha256: str) -> Placed:
    """
    Put the object, look whether it is there, and read the floor after it.

    StoreUnavailable leaves open what happened: call again. CorruptObject where the key is taken by something that is
    no segment: a person has to look.
    """
    failpoints.reach("archive.put.before")
    ours = _put(archive, name, segment, body, source_sha256)
    failpoints.reach("archive.put.done")
    floor = archive.floor(name)
    failpoints.reach("archive.floor.checked")
    return Placed(ours, segment < floor.segment)


def _put(archive: Archive, name: LogName, segment: int, body: bytes, source_sha256: str) -> bool:
    key = archive.key(name, segment)
    for _ in range(_TRIES):
        try:
            archive.store.put_if_absent(key, body, {SOURCE_SHA256: source_sha256})
        except ObjectExists:
            pass
        else:
            return _is_there(archive, name, segment, source_sha256)
        try:
            return archive.source_sha256(name, segment) == source_sha256
        except ObjectMissing:
            continue
    raise StoreUnavailable(f"{key}: taken and missing in turn", hint="something deletes and puts objects here")


def _is_there(archive: Archive, name: LogName, segment: int, source_sha256: str) -> bool:
    """Local bytes are deleted on the strength of this answer, so the store is asked a second time, another way."""
    try:
        if archive.source_sha256(name, segment) == source_sha256:
            return True
    except ObjectMissing:
        pass
    # Below the floor retention may have deleted it already; then it counts for nothing, whatever is there.
    if segment < archive.floor(name).segment:
        return False
    raise StoreUnavailable(
        f"{archive.key(name, segment)}: the store accepted the object and does not have it",
        hint="is it the store that answers at SPOOL_S3_ENDPOINT, or a proxy? nothing was deleted here",
    )
