"""
Let a log begin though the one it continues is not delivered to its end: an operator's decision (rule 28).

The predecessor's host may be gone for good, with segments that never reached the archive. Until an operator says so,
its successor waits, because the order per key would be lost. What the predecessor still brings is delivered, later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.clock import now_ms
from spool.errors import SettingsError
from spool.kafka.topics import prepare
from spool.kafka.transactional_producer import KafkaSink
from spool.kafka.watermarks import topic_exists
from spool.names import LogName, operator_name
from spool.replay.checkpoint import Checkpoint, CheckpointKey, CheckpointReader
from spool.replay.notes import Notes
from spool.replay.predecessor import waits_for
from spool.settings import Settings, StreamSettings
from spool.store.object_store import ObjectStore


class ReleasePlan(NamedTuple):
    """
    What a release does.

    predecessor     the log that is not waited for any longer
    delivered_to    the offset below which it is delivered; 0 where it has not begun
    first_offset    where the released log begins
    """

    stream: str
    log: str
    predecessor: str
    delivered_to: int
    first_offset: int


def plan_release(
    settings: Settings, stream: StreamSettings, store: ObjectStore, kafka: Mapping[str, str], *, log: str
) -> ReleasePlan:
    """Changes nothing. SettingsError where the log waits for no other."""
    plan, _ = _plan(settings, stream, store, kafka, log)
    return plan


def release(
    settings: Settings,
    stream: StreamSettings,
    store: ObjectStore,
    kafka: Mapping[str, str],
    alarms: AlarmSink,
    *,
    log: str,
    reason: str,
    who: str = "",
) -> ReleasePlan:
    """
    Commit the log's first checkpoint, marked as released; the next look of a replayer takes the log up.

    One Kafka transaction: a killed release has released the log or not, and may be repeated.
    SettingsError without a reason, and where the log waits for no other; KafkaUnavailable.
    """
    if not reason.strip():
        raise SettingsError("a release needs a reason", hint="it is kept in the checkpoint: --reason 'host is gone'")
    prepare(kafka, settings, stream)
    key = CheckpointKey(stream.topic, stream.name, log)
    sink = KafkaSink(kafka, key.transactional_id)
    try:
        sink.open()
        plan, first = _plan(settings, stream, store, kafka, log)
        released = first._replace(released=True, time_ms=now_ms(), reason=reason, who=who or operator_name())
        record = Notes(settings, key).checkpoint_record(released)
        sink.transact([], lambda _: [record])
    finally:
        sink.drop()
    alarms.close("successor_waits", str(LogName(stream.name, log)))
    return plan


def _plan(
    settings: Settings, stream: StreamSettings, store: ObjectStore, kafka: Mapping[str, str], log: str
) -> tuple[ReleasePlan, Checkpoint]:
    """The plan, and the checkpoint at which the log would begin by itself."""
    archive, name = Archive(store, settings.root), LogName(stream.name, log)
    reader = CheckpointReader(kafka, settings.checkpoint_topic, settings.checkpoint_partitions)
    has_checkpoints = topic_exists(kafka, settings.checkpoint_topic)

    def checkpoint_of(other: str) -> Checkpoint | None:
        return reader.read(CheckpointKey(stream.topic, stream.name, other)) if has_checkpoints else None

    wait = waits_for(archive, name, checkpoint_of(log), checkpoint_of)
    if wait is None:
        raise SettingsError(
            f"{name} waits for no other log",
            hint="`replay --dry-run` notes of each log whether it waits, and for which",
        )
    segment = next(archive.segments(name))
    first = archive.index(name, segment)
    predecessor = checkpoint_of(wait.log)
    delivered_to = 0 if predecessor is None else predecessor.next
    plan = ReleasePlan(stream.name, log, wait.log, delivered_to, first.first_offset)
    return plan, Checkpoint(next=first.first_offset, segment=segment)
