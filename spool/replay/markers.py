"""
The marker of a log and a target: into which Kafka cluster and topic it is delivered.

The checkpoint alone cannot distinguish "never delivered" from "delivered into a Kafka that is gone". The marker, in
the object store, can: see rule 26 and docs/runbooks/kafka-replaced.md.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from spool import failpoints
from spool.errors import ObjectExists, ObjectMissing
from spool.format.json_notes import Document, read_note, text
from spool.kafka.topics import Cluster
from spool.replay.checkpoint import CheckpointKey
from spool.store.keys import meta_key
from spool.store.object_store import ObjectStore

failpoints.declare("replay.marker.put")


class Marker(NamedTuple):
    """`topic_id` is "" in markers of before it was noted; `etag` is the store's."""

    cluster_id: str
    topic: str
    log: str
    topic_id: str = ""
    etag: str = ""


def read_marker(store: ObjectStore, root: str, key: CheckpointKey) -> Marker | None:
    """None if there is none. CorruptRecord names the object."""
    name = _key(root, key)
    try:
        stored = store.get(name)
    except ObjectMissing:
        return None
    marker = read_note(
        stored.body, f"the marker {name}", _marker, hint="restore it from a backup, or rewind the log: that writes it"
    )
    return marker._replace(etag=stored.etag)


def put_marker(store: ObjectStore, root: str, key: CheckpointKey, cluster: Cluster) -> None:
    """Once per log and target; one that is there stays. Durable when it returns."""
    try:
        store.put_if_absent(_key(root, key), _body(key, cluster), {})
    except ObjectExists:
        return
    failpoints.reach("replay.marker.put")


def replace_marker(store: ObjectStore, root: str, key: CheckpointKey, cluster: Cluster) -> None:
    """
    Make this cluster and topic the target, whatever the marker said: an operator decided so by a rewind, or the marker
    lacked the topic's id. PreconditionFailed when two do it at once. Durable when it returns.
    """
    name = _key(root, key)
    try:
        etag: str | None = store.get(name).etag
    except ObjectMissing:
        etag = None
    store.put_if_match(name, _body(key, cluster), etag)


def _marker(document: Document) -> Marker:
    return Marker(
        text(document["cluster_id"]), text(document["topic"]), text(document["log"]), text(document.get("topic_id", ""))
    )


def _body(key: CheckpointKey, cluster: Cluster) -> bytes:
    return json.dumps(
        {"cluster_id": cluster.id, "topic": key.topic, "log": key.log, "topic_id": cluster.target.topic_id}
    ).encode()


def _key(root: str, key: CheckpointKey) -> str:
    return meta_key(root, "markers", key.topic, key.stream, key.log)
