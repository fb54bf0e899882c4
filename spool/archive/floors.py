"""
The lowest segment number of a log that may still be in the store: `<root>/_meta/floors/<stream>/<log>`.

Retention raises the floor first and deletes from the lowest number upwards after that, so a number below the floor that
is free proves nothing: a process that puts there was overtaken (rule 16).
"""

from __future__ import annotations

import json
from typing import NamedTuple

from spool.errors import CorruptObject, ObjectMissing, PreconditionFailed, StoreUnavailable
from spool.names import LogName
from spool.store.keys import meta_key
from spool.store.object_store import ObjectStore

VERSION = 1
# Others raise the same floor at the same time; each loss of the race means that one of them has won.
_TRIES = 20


class Floor(NamedTuple):
    """`segment` is the lowest number that counts; `etag` is None where no floor was ever raised."""

    segment: int
    etag: str | None


def read_floor(store: ObjectStore, root: str, name: LogName) -> Floor:
    """CorruptObject where there is one that cannot be read: then nothing may be concluded."""
    key = _key(root, name)
    try:
        stored = store.get(key)
    except ObjectMissing:
        return Floor(0, None)
    try:
        document = json.loads(stored.body)
        version, segment = document["version"], int(document["segment"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptObject(f"{key}: {error}", hint="restore it from a backup") from error
    if version != VERSION:
        raise CorruptObject(f"{key}: version {version}, this program reads {VERSION}", hint="upgrade this program")
    return Floor(segment, stored.etag)


def raise_floor(store: ObjectStore, root: str, name: LogName, segment: int) -> Floor:
    """Make the floor at least `segment`; it is never lowered. Durable when this returns."""
    body = json.dumps({"version": VERSION, "segment": segment}).encode()
    for _ in range(_TRIES):
        floor = read_floor(store, root, name)
        if floor.segment >= segment:
            return floor
        try:
            return Floor(segment, store.put_if_match(_key(root, name), body, floor.etag))
        except PreconditionFailed:
            continue
    raise StoreUnavailable(f"the floor of {name} is changed all the time", hint="run retention once only")


def _key(root: str, name: LogName) -> str:
    return meta_key(root, "floors", *name)
