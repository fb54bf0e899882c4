"""
Send a log's events again, or pass a gap: an operator's decision, with its reason, in a transaction (rule 27).

Backwards: events from the segment on come again, with the next generation in their `spool` header.
Forwards: the offsets between are recorded as skipped over; this is how a gap is passed.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from typing import NamedTuple

from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.clock import now_ms
from spool.errors import SettingsError
from spool.kafka.topics import prepare
from spool.kafka.transactional_producer import KafkaSink, OutRecord
from spool.names import LogName
from spool.replay.checkpoint import Checkpoint, CheckpointKey, CheckpointReader, encode_checkpoint
from spool.replay.deliveries import Delivery, encode_delivery
from spool.replay.markers import replace_marker
from spool.settings import Settings, StreamSettings
from spool.store.object_store import ObjectStore


class RewindPlan(NamedTuple):
    """
    What a rewind does.

    again     events that were delivered and come again
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
    return _plan(archive, name, _checkpoint(settings, stream, kafka, log), to_segment)


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
    Do it: fences whoever replays the log, commits the new checkpoint, makes this cluster the log's target.

    1. init the live transactional id   2. checkpoint {next, generation + 1, reason, who}   3. the marker
    """
    if not reason.strip():
        raise SettingsError("a rewind needs a reason", hint="it is kept in the checkpoint: --reason 'topic recreated'")
    cluster = prepare(kafka, settings, stream)
    key = CheckpointKey(stream.topic, stream.name, log)
    sink = KafkaSink(kafka, key.transactional_id)
    try:
        sink.open()
        held = _checkpoint(settings, stream, kafka, log)
        made = _plan(Archive(store, settings.root), LogName(stream.name, log), held, to_segment)
        sink.transact([], lambda _: _records(settings, key, made, held, reason, who or _who()))
    finally:
        sink.drop()
    replace_marker(store, settings.root, key, cluster.id)
    alarms.close("kafka_replaced", f"{stream.name}/{log}")
    alarms.close("log_gap", f"{stream.name}/{log}")
    return made


def _plan(archive: Archive, name: LogName, held: Checkpoint | None, to_segment: int) -> RewindPlan:
    found = next(archive.segments(name, to_segment), None)
    if found != to_segment:
        raise SettingsError(
            f"{name} has no segment {to_segment} in the archive",
            hint=f"`ls --stream {name.stream} --log {name.log}` lists them"
            + (f"; the next is {found}" if found is not None else ""),
        )
    target = archive.index(name, to_segment).first_offset
    delivered = held.next if held else target
    return RewindPlan(
        stream=name.stream,
        log=name.log,
        generation=(held.generation if held else 0) + 1,
        from_offset=delivered,
        to_offset=target,
        to_segment=to_segment,
        again=max(0, delivered - target),
        skipped=max(0, target - delivered),
    )


def _records(
    settings: Settings, key: CheckpointKey, made: RewindPlan, held: Checkpoint | None, reason: str, who: str
) -> list[OutRecord]:
    checkpoint = Checkpoint(
        next=made.to_offset,
        again_until=max(held.again_until, held.next) if held else 0,
        segment=made.to_segment,
        generation=made.generation,
        time_ms=now_ms(),
        reason=reason,
        who=who,
    )
    partition = key.partition(settings.checkpoint_partitions)
    records = [OutRecord(settings.checkpoint_topic, partition, key.encode(), encode_checkpoint(checkpoint))]
    if made.skipped:
        hole = ((made.from_offset, made.to_offset),)
        passed = Delivery(
            key.topic,
            key.stream,
            key.log,
            held.generation if held else 0,
            made.from_offset,
            made.to_offset,
            (),
            (),
            hole,
        )
        records.append(OutRecord(settings.deliveries_topic, 0, key.encode(), encode_delivery(passed)))
    return records


def _checkpoint(settings: Settings, stream: StreamSettings, kafka: Mapping[str, str], log: str) -> Checkpoint | None:
    reader = CheckpointReader(kafka, settings.checkpoint_topic, settings.checkpoint_partitions)
    return reader.read(CheckpointKey(stream.topic, stream.name, log))


def _who() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
