"""
Send a log's events again, or pass a gap: an operator's decision, with its reason, in a transaction (rule 27).

Backwards: events from the segment on come again, with the next generation in their `spool` header.
Forwards: the offsets between are recorded as skipped over; this is how a gap is passed.

How far the log was delivered is taken from whatever is left to say it: the checkpoint, the deliveries, and where a
checkpoint was lost or damaged, the marker: then everything archived may come again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.clock import Deadline, now_ms
from spool.errors import CorruptRecord, SettingsError
from spool.kafka.topic_reader import read_decided
from spool.kafka.topics import prepare
from spool.kafka.transactional_producer import KafkaSink, OutRecord
from spool.kafka.watermarks import topic_exists
from spool.names import LogName, operator_name
from spool.replay.checkpoint import Checkpoint, CheckpointKey, CheckpointReader
from spool.replay.deliveries import Delivery, decode_delivery
from spool.replay.markers import read_marker, replace_marker
from spool.replay.notes import Notes
from spool.settings import Settings, StreamSettings
from spool.store.object_store import ObjectStore

_READ_S = 60.0


class RewindPlan(NamedTuple):
    """
    What a rewind does.

    again     events that were, or may have been, delivered and come again
    skipped   offsets that were not delivered and will not be (a forward rewind)
    """

    stream: str
    log: str
    generation: int
    from_offset: int
    to_offset: int
    to_segment: int
    again: int
    skipped: int


class _History(NamedTuple):
    """
    What is known of the log so far.

    next          the first offset not delivered; None where nothing ever was
    again_until   below this offset events may be in Kafka already
    generation    the highest that was used
    deliveries_end  Kafka offset in the deliveries topic below which everything was read
    """

    next: int | None
    again_until: int
    generation: int
    deliveries_end: int


def plan_rewind(
    settings: Settings,
    stream: StreamSettings,
    store: ObjectStore,
    kafka: Mapping[str, str],
    *,
    log: str,
    to_segment: int,
) -> RewindPlan:
    """Changes nothing. SettingsError where the segment is not in the archive."""
    archive, name = Archive(store, settings.root), LogName(stream.name, log)
    return _plan(archive, name, _history(archive, settings, stream, kafka, name), to_segment)


def rewind(
    settings: Settings,
    stream: StreamSettings,
    store: ObjectStore,
    kafka: Mapping[str, str],
    alarms: AlarmSink,
    *,
    log: str,
    to_segment: int,
    reason: str,
    who: str = "",
) -> RewindPlan:
    """
    Do it: fences the replayer of the log, commits the new checkpoint, makes this cluster and topic the log's target.

    1. init the live transactional id   2. checkpoint {next, generation + 1, reason, who}   3. the marker
    """
    if not reason.strip():
        raise SettingsError("a rewind needs a reason", hint="it is kept in the checkpoint: --reason 'topic recreated'")
    cluster = prepare(kafka, settings, stream)
    key = CheckpointKey(stream.topic, stream.name, log)
    archive, name = Archive(store, settings.root), LogName(stream.name, log)
    sink = KafkaSink(kafka, key.transactional_id)
    try:
        sink.open()
        history = _history(archive, settings, stream, kafka, name)
        plan = _plan(archive, name, history, to_segment)
        checkpoint = Checkpoint(
            next=plan.to_offset, segment=plan.to_segment, generation=plan.generation, again_until=history.again_until,
            time_ms=now_ms(), reason=reason, who=who or operator_name(), topic_id=cluster.target.topic_id,
            checked_end=history.deliveries_end, checked_next=plan.to_offset,
        )  # fmt: skip
        records = _records(Notes(settings, key), key, plan, history, checkpoint)
        sink.transact([], lambda _: records)
    finally:
        sink.drop()
    replace_marker(store, settings.root, key, cluster)
    for condition in ("kafka_replaced", "log_gap", "replay_blocked"):
        alarms.close(condition, str(name))
    return plan


def _plan(archive: Archive, name: LogName, history: _History, to_segment: int) -> RewindPlan:
    following = next(archive.segments(name, to_segment), None)
    if following != to_segment:
        raise SettingsError(
            f"{name} has no segment {to_segment} in the archive",
            hint=f"`ls --stream {name.stream} --log {name.log}` lists them"
            + (f"; the next is {following}" if following is not None else ""),
        )
    target = archive.index(name, to_segment).first_offset
    delivered = target if history.next is None else history.next
    return RewindPlan(
        stream=name.stream,
        log=name.log,
        generation=history.generation + 1,
        from_offset=delivered,
        to_offset=target,
        to_segment=to_segment,
        again=max(0, delivered - target),
        skipped=max(0, target - delivered),
    )


def _records(
    notes: Notes, key: CheckpointKey, plan: RewindPlan, history: _History, checkpoint: Checkpoint
) -> list[OutRecord]:
    records = [notes.checkpoint_record(checkpoint)]
    if plan.skipped:
        passed = ((plan.from_offset, plan.to_offset),)
        delivery = Delivery(*key, history.generation, plan.from_offset, plan.to_offset, (), (), passed)
        records.append(notes.delivery_record(delivery))
    return records


def _history(
    archive: Archive, settings: Settings, stream: StreamSettings, kafka: Mapping[str, str], name: LogName
) -> _History:
    key = CheckpointKey(stream.topic, stream.name, name.log)
    checkpoint, is_lost = _checkpoint(archive, settings, kafka, key)
    reached, generation, end = _delivered(settings, kafka, key)
    if checkpoint is not None:
        reached = max(reached, checkpoint.next)
        until = max(checkpoint.again_until, reached)
        return _History(reached, until, max(generation, checkpoint.generation), end)
    if is_lost:
        reached = max(reached, _archived_until(archive, name))
    return _History(reached if reached >= 0 else None, max(0, reached), max(0, generation), end)


def _checkpoint(
    archive: Archive, settings: Settings, kafka: Mapping[str, str], key: CheckpointKey
) -> tuple[Checkpoint | None, bool]:
    """The checkpoint; and whether there was one that cannot be had any more."""
    reader = CheckpointReader(kafka, settings.checkpoint_topic, settings.checkpoint_partitions)
    if not topic_exists(kafka, settings.checkpoint_topic):
        return None, _has_marker(archive, key)
    try:
        checkpoint = reader.read(key)
    except CorruptRecord:
        return None, True
    return checkpoint, checkpoint is None and _has_marker(archive, key)


def _has_marker(archive: Archive, key: CheckpointKey) -> bool:
    try:
        return read_marker(archive.store, archive.root, key) is not None
    except CorruptRecord:
        return True


def _delivered(settings: Settings, kafka: Mapping[str, str], key: CheckpointKey) -> tuple[int, int, int]:
    """Of all deliveries of the log: the offset they reach and the highest generation, -1 = none; where they end."""
    topic = settings.deliveries_topic
    if not topic_exists(kafka, topic):
        return -1, -1, 0
    records = read_decided(kafka, topic, 0, 0, Deadline.after(_READ_S), key=key.encode())
    deliveries = []
    for message in records.messages:
        # One that cannot be read is what the operator rewinds for.
        with suppress(CorruptRecord):
            deliveries.append(decode_delivery(message.value() or b"", f"{topic}/0 at {message.offset()}"))
    return (
        max((delivery.next_offset for delivery in deliveries), default=-1),
        max((delivery.generation for delivery in deliveries), default=-1),
        records.position,
    )


def _archived_until(archive: Archive, name: LogName) -> int:
    numbers = deque(archive.segments(name), maxlen=1)
    return archive.index(name, numbers[0]).next_offset if numbers else 0
