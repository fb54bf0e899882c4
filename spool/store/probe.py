"""
What a store must prove before anything is shipped to it: that it keeps to conditions, and deletes nothing by itself.

The conditional put is what makes a segment number belong to one folder; a store that ignores the condition overwrites
acknowledged events without a word (some do: rclone's S3 server, older gateways).
"""

from __future__ import annotations

import uuid
import weakref

from spool.errors import ObjectExists, PreconditionFailed, StoreRefused
from spool.store.keys import meta_key
from spool.store.object_store import ObjectStore

_HINT = "use a store with If-None-Match and If-Match on PutObject: AWS S3, SeaweedFS 4, MinIO, Ceph"


def probe_store(store: ObjectStore, root: str) -> None:
    """
    StoreRefused where the store cannot hold an archive, StoreUnavailable where that could not be found out.

    Costs a handful of requests the first time that a store is seen, leaves nothing behind.
    """
    if store not in _proved:
        refuse_expiry(store, root)
        probe_conditional_puts(store, root)
        _proved.add(store)


_proved: weakref.WeakSet[ObjectStore] = weakref.WeakSet()


def probe_conditional_puts(store: ObjectStore, root: str) -> None:
    """Rule 13: put an object twice, and change it from a state that it is not in; both must be refused."""
    key = meta_key(root, "probes", uuid.uuid4().hex)
    etag = store.put_if_absent(key, b"1", {})
    try:
        _demand_refusal_of_second_put(store, key)
        store.put_if_match(key, b"3", etag)
        _demand_refusal_of_stale_change(store, key, etag)
    finally:
        store.delete(key)


def refuse_expiry(store: ObjectStore, root: str) -> None:
    """Rule 16: only what was delivered may go, and retention decides that."""
    below = f"{root}/"
    for prefix in store.expiring_prefixes():
        if below.startswith(prefix) or prefix.startswith(below):
            raise StoreRefused(
                f"the bucket has a lifecycle rule that lets objects below {prefix or 'its root'!r} expire",
                hint=f"remove the rule or restrict it to other prefixes than {below}",
            )


def _demand_refusal_of_second_put(store: ObjectStore, key: str) -> None:
    try:
        store.put_if_absent(key, b"2", {})
    except ObjectExists:
        return
    raise StoreRefused("the store put an object over another in spite of If-None-Match", hint=_HINT)


def _demand_refusal_of_stale_change(store: ObjectStore, key: str, etag: str) -> None:
    try:
        store.put_if_match(key, b"4", etag)
    except PreconditionFailed:
        return
    raise StoreRefused("the store changed an object in spite of If-Match", hint=_HINT)
