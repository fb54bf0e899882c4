"""
What the archive remembers of Kafka: into which cluster and topic a log was delivered.

The checkpoint alone cannot tell "never delivered" from "delivered into a Kafka that is gone". The marker, in the object
store, can: see rule 26 and docs/runbooks/kafka-replaced.md.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from spool import failpoints
from spool.errors import ObjectExists, ObjectMissing
from spool.replay.checkpoint import CheckpointKey
from spool.store.keys import meta_key
from spool.store.object_store import ObjectStore

failpoints.declare("replay.marker.put")


class Marker(NamedTuple):
    """`etag` is the store's, empty for one that is not stored yet."""

    cluster_id: str
    topic: str
    log: str
    etag: str = ""


def read_marker(store: ObjectStore, root: str, key: CheckpointKey) -> Marker | None:
    try:
        found = store.get(_key(root, key))
    except ObjectMissing:
        return None
    document = json.loads(found.body)
    return Marker(document["cluster_id"], document["topic"], document["log"], found.etag)


def put_marker(store: ObjectStore, root: str, key: CheckpointKey, cluster_id: str) -> None:
    """Once per log and target; one that is there stays."""
    try:
        store.put_if_absent(_key(root, key), _body(key, cluster_id), {})
    except ObjectExists:
        return
    failpoints.reach("replay.marker.put")


def replace_marker(store: ObjectStore, root: str, key: CheckpointKey, cluster_id: str) -> None:
    """An operator decided, by a rewind, that this cluster is the target now. PreconditionFailed when two do at once."""
    held = read_marker(store, root, key)
    if held is None or held.cluster_id != cluster_id:
        store.put_if_match(_key(root, key), _body(key, cluster_id), held.etag if held else None)


def _body(key: CheckpointKey, cluster_id: str) -> bytes:
    return json.dumps({"cluster_id": cluster_id, "topic": key.topic, "log": key.log}).encode()


def _key(root: str, key: CheckpointKey) -> str:
    return meta_key(root, "markers", key.topic, key.stream, key.log)
