"""Whatever stops one log of a stream, for good: the other logs are delivered, and both ends of the engine name it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from spool.errors import CorruptObject, CorruptRecord, LogGap, OperatorNeeded, SpoolError
from spool.event import Event
from spool.intake.client import SpoolClient
from spool.kafka.transactional_producer import KafkaSink, OutRecord
from spool.replay.checkpoint import CheckpointKey
from spool.store.keys import meta_key, segment_key
from tests.support.replay_world import World

Harm = Callable[[World, str], None]


def missing_segment(world: World, log: str) -> None:
    object_of(world, log, 1).unlink()


def missing_first_segment(world: World, log: str) -> None:
    object_of(world, log, 0).unlink()


def damaged_object(world: World, log: str) -> None:
    path = object_of(world, log, 1)
    body = bytearray(path.read_bytes())
    body[len(body) // 3] ^= 0xFF
    path.write_bytes(body)


def damaged_marker(world: World, log: str) -> None:
    world.store.put_if_absent(marker_key(world, log), b"[1]", {})


def marker_of_another_cluster(world: World, log: str) -> None:
    document = {"cluster_id": "another", "topic": world.name, "log": log}
    world.store.put_if_absent(marker_key(world, log), json.dumps(document).encode(), {})
    checkpoint = {
        "version": 1, "next": 0, "segment": 0, "generation": 0, "again_until": 0, "partitions": {}, "skipped": [],
        "instance": "", "time_ms": 0, "reason": "", "who": "",
    }  # fmt: skip
    put_checkpoint(world, log, json.dumps(checkpoint).encode())


def lost_checkpoint(world: World, log: str) -> None:
    document = {"cluster_id": world.admin.list_topics(timeout=240).cluster_id, "topic": world.name, "log": log}
    world.store.put_if_absent(marker_key(world, log), json.dumps(document).encode(), {})


def foreign_checkpoint(world: World, log: str) -> None:
    put_checkpoint(world, log, b"not one of ours")


HARMS: dict[str, tuple[Harm, type[SpoolError]]] = {
    "gap": (missing_segment, LogGap),
    "missing first segment": (missing_first_segment, LogGap),
    "damaged object": (damaged_object, CorruptObject),
    "damaged marker": (damaged_marker, CorruptRecord),
    "another cluster's marker": (marker_of_another_cluster, OperatorNeeded),
    "lost checkpoint": (lost_checkpoint, OperatorNeeded),
    "foreign checkpoint": (foreign_checkpoint, CorruptRecord),
}


@pytest.mark.parametrize("which", range(3), ids=["first", "middle", "last"])
@pytest.mark.parametrize("harm", HARMS)
def test_what_stops_one_of_three_logs_stops_no_other_and_is_named(tmp_path, kafka_broker, harm, which):
    world, logs = three_logs(tmp_path, kafka_broker.bootstrap)
    do_harm, error = HARMS[harm]
    do_harm(world, logs[which])
    with pytest.raises(error, match=logs[which]) as raised:
        world.drain()
    healthy = {log for log in logs if log != logs[which]}
    assert {seen.log for seen in world.seen() if seen.offset == 29} == healthy
    assert not any(log in str(raised.value) for log in healthy)
    assert {subject for _, subject in world.alarms.now} == {f"{world.name}/{logs[which]}"}
    rows = {row.log: row for row in world.verified(full=False).rows}
    assert all(rows[log].is_green and rows[log].delivered == 30 for log in healthy)


def test_a_damaged_delivery_makes_its_own_log_red_and_no_other(tmp_path, kafka_broker):
    world, logs = three_logs(tmp_path, kafka_broker.bootstrap)
    world.drain()
    key = CheckpointKey(world.name, world.name, logs[1])
    for value, name in ((b"{}", key.encode()), (b"foreign", b"foreign")):
        put_records(world, logs[1], OutRecord(world.settings.deliveries_topic, 0, name, value))
    for full in (True, False):
        rows = {row.log: row for row in world.verified(full=full).rows}
        assert [rows[log].is_green for log in logs] == [True, False, True]
        assert logs[1] in rows[logs[1]].error


def test_a_tombstone_and_a_foreign_record_in_the_checkpoint_topic_stop_nothing(tmp_path, kafka_broker):
    world, logs = three_logs(tmp_path, kafka_broker.bootstrap)
    world.drain(max_events=1)
    from confluent_kafka import Producer

    producer = Producer({**world.kafka, "log_level": 0})
    for partition in range(2):
        producer.produce(world.settings.checkpoint_topic, b"not from here", key=b"\xff", partition=partition)
        producer.produce(world.settings.checkpoint_topic, None, key=b"gone/gone/gone", partition=partition)
        producer.produce(world.settings.checkpoint_topic, b"without a key", partition=partition)
    assert producer.flush(20) == 0
    world.drain()
    report = world.verified()
    assert report.is_green
    assert {row.log: row.delivered for row in report.rows} == dict.fromkeys(logs, 30)


def three_logs(folder: Path, bootstrap: str) -> tuple[World, list[str]]:
    """A stream of three logs with three segments of ten events each; their ids in order. Nothing is delivered yet."""
    world = World(folder, bootstrap)
    logs = []
    for host in range(3):
        world.spool_folder = folder / f"host{host}"
        with SpoolClient(world.spool_folder, world.settings, alarms=world.alarms) as client:
            for segment in range(3):
                events = [Event(b"%d" % n, key=b"k%d" % n) for n in range(segment * 10, segment * 10 + 10)]
                log = client.append(world.name, events).log
                world.ship()
        logs.append(log)
    world.alarms.now.clear()
    return world, sorted(logs)


def object_of(world: World, log: str, segment: int) -> Path:
    return world.store._path(segment_key(world.settings.root, world.name, log, segment))


def marker_key(world: World, log: str) -> str:
    return meta_key(world.settings.root, "markers", world.name, world.name, log)


def put_checkpoint(world: World, log: str, value: bytes) -> None:
    from spool.kafka.topics import prepare

    prepare(world.kafka, world.settings, world.stream)
    key = CheckpointKey(world.name, world.name, log)
    put_records(world, log, OutRecord(world.settings.checkpoint_topic, key.partition(2), key.encode(), value))


def put_records(world: World, log: str, record: OutRecord) -> None:
    sink = KafkaSink(world.kafka, CheckpointKey(world.name, world.name, log).transactional_id)
    sink.open()
    sink.transact([], lambda _: [record])
    sink.drop()
