"""When Kafka or the archive is not what it was: replay stops and says so, or goes on without loss; never in silence."""

from __future__ import annotations

import json
import shutil

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType

from spool.dead_letters.letters import letters
from spool.errors import LogGap, OperatorNeeded, SettingsError, TopicRefused, VerifyFailed
from spool.event import Event
from spool.intake.client import SpoolClient
from spool.replay.release import plan_release, release
from spool.replay.rewind import plan_rewind, rewind
from spool.store.keys import segment_key
from tests.support.replay_world import World, assert_whole


@pytest.fixture
def world(tmp_path, kafka_broker) -> World:
    return World(tmp_path, kafka_broker.bootstrap)


def test_a_lost_checkpoint_topic_stops_the_log_until_an_operator_rewinds(world):
    log = world.segments([100, 100])
    world.drain()
    world.delete_topic(world.settings.checkpoint_topic)
    world.append(50, start=200)
    world.ship()
    with pytest.raises(OperatorNeeded, match=r"checkpoint of .* is gone"):
        world.drain()
    assert ("kafka_replaced", f"{world.name}/{log}") in world.alarms.now
    world.rewind(log, 2)
    world.drain()
    assert ("kafka_replaced", f"{world.name}/{log}") not in world.alarms.now
    assert world.sequences() == list(range(250))


def test_after_a_lost_checkpoint_topic_a_rewind_says_what_comes_again_and_verify_knows_it(world):
    log = world.segments([100, 100])
    world.drain()
    world.delete_topic(world.settings.checkpoint_topic)
    made = world.rewind(log, 0)
    assert (made.again, made.generation) == (200, 1)
    world.drain()
    assert world.sequences() == sorted([*range(200), *range(200)])
    assert world.row().is_green
    assert world.row(full=False).is_green


def test_a_topic_made_anew_stops_the_log_and_a_rewind_fills_it_again(world):
    log = world.segments([100, 100])
    world.drain()
    world.delete_topic(world.name)
    world.append(50, start=200)
    world.ship()
    with pytest.raises(OperatorNeeded, match="ends at 0"):
        world.drain()
    made = world.rewind(log, 0)
    assert (made.again, made.generation) == (200, 1)
    world.drain()
    assert_whole(world, 250)


def test_a_rewound_event_carries_its_generation_and_is_no_double(world):
    log = world.segments([100, 100])
    world.drain()
    assert plan_rewind(world.settings, world.stream, world.store, world.kafka, log=log, to_segment=1)._replace(
        log=""
    ) == (world.name, "", 1, 200, 100, 1, 100, 0)
    assert world.checkpoint(log).generation == 0  # the plan changed nothing
    world.rewind(log, 1)
    world.append(30, start=200)
    world.ship()
    assert world.drain().events == 130
    assert world.sequences() == sorted([*range(230), *range(100, 200)])
    assert world.row().is_green
    assert world.row(full=False).is_green


def test_what_was_never_delivered_before_is_sent_as_it_is_stored_after_a_rewind(world):
    log = world.segments([100, 100])
    world.drain()
    world.rewind(log, 1)
    assert world.drain().batches_laid_out_anew > 0
    world.append(50, start=200)
    world.ship()
    assert world.drain().batches_laid_out_anew == 0


def test_a_rewind_without_a_reason_or_to_a_missing_segment_is_refused(world):
    log = world.segments([10])
    world.drain()
    with pytest.raises(SettingsError, match="no segment 7"):
        world.rewind(log, 7)
    with pytest.raises(SettingsError, match="needs a reason"):
        rewind(world.settings, world.stream, world.store, world.kafka, world.alarms, log=log, to_segment=0, reason=" ")


def test_a_gap_stops_its_log_only_and_heals_when_the_segment_comes(world, tmp_path):
    log = world.segments([50, 50, 50])
    key = segment_key("spool", world.name, log, 1)
    held = world.store.get(key)
    world.store.delete(key)
    other = World(tmp_path, world.bootstrap, world.name)
    other.spool_folder = tmp_path / "other-host"
    other.append(40, start=150)
    other.ship()
    with pytest.raises(LogGap, match="segment 1 is missing"):
        world.drain()
    assert world.sequences() == [*range(50), *range(150, 190)]
    assert ("log_gap", f"{world.name}/{log}") in world.alarms.now
    assert sum(row.gaps for row in world.verified().rows) == 1
    world.store.put_if_absent(key, held.body, held.metadata)
    world.drain()
    assert_whole(world, 190)
    assert not world.alarms.now


def test_a_gap_is_passed_by_a_forward_rewind_and_stays_known_as_a_hole(world):
    log = world.segments([50, 50, 50])
    world.store.delete(segment_key("spool", world.name, log, 1))
    with pytest.raises(LogGap):
        world.drain()
    made = world.rewind(log, 2)
    assert made.skipped == 50
    world.drain()
    assert world.sequences() == [*range(50), *range(100, 150)]
    row = world.row()
    assert (row.missing, row.doubled, row.holes) == (0, 0, 50)


def test_more_partitions_mean_that_batches_are_laid_out_anew_without_loss(world):
    world.segments([100])
    world.drain()
    world.admin.create_partitions([NewPartitions(world.name, 5)])[world.name].result(20)
    world.append(100, start=100)
    world.ship()
    assert world.drain().batches_laid_out_anew > 0
    assert world.sequences() == list(range(200))
    assert {seen.partition for seen in world.seen() if seen.offset >= 100} == {3, 4} | {
        seen.partition for seen in world.seen() if seen.offset >= 100
    }


@pytest.mark.parametrize("group", [False, True], ids=["single event", "whole group"])
def test_what_is_too_large_for_the_topic_becomes_a_dead_letter_and_the_rest_goes_on(world, group):
    import os

    world.make_topic(max_message_bytes="20000")
    world.append(100)
    events = [Event(json.dumps({"key": "k0", "sequence": 100, "pad": os.urandom(30_000).hex()}).encode(), key=b"k0")]
    if group:
        events.append(Event(json.dumps({"key": "k1", "sequence": 101, "pad": ""}).encode(), key=b"k1"))
    with SpoolClient(world.spool_folder, world.settings, alarms=world.alarms) as client:
        log = (client.append_group if group else client.append)(world.name, events).log
    world.append(100, start=200)
    world.ship()
    summary = world.drain()
    assert summary.dead_letters == len(events)
    assert world.sequences() == [*range(100), *range(200, 300)]
    kept = list(letters(world.store, "spool", world.name, log))
    assert [letter.position.offset for letter in kept] == list(range(100, 100 + len(events)))
    assert kept[0].reason.startswith("10 ")
    row = world.row()
    assert (row.missing, row.skipped, row.is_green) == (0, len(events), True)
    assert world.row(full=False).is_green


def test_an_event_from_the_future_becomes_a_dead_letter_where_the_topic_checks_times(world):
    world.make_topic(message_timestamp_type="CreateTime", message_timestamp_after_max_ms="3600000", retention_ms="-1")
    future_ms = 4_000_000_000_000
    with SpoolClient(world.spool_folder, world.settings, alarms=world.alarms) as client:
        client.append(world.name, [Event(json.dumps({"key": "k0", "sequence": 900}).encode(), time_ms=future_ms)])
    world.append(100)
    world.ship()
    assert world.drain().dead_letters == 1
    assert world.sequences() == list(range(100))


def test_records_that_a_compacted_topic_refuses_become_dead_letters(world):
    world.make_topic()
    world.append(10)
    world.ship()
    replayer = world.replayer()
    # Between its look at the topic and its first transaction the topic becomes a compacted one, which wants keys.
    compact = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, world.name, incremental_configs=[compact])
    with SpoolClient(world.spool_folder, world.settings, alarms=world.alarms) as client:
        client.append(world.name, [Event(json.dumps({"key": "", "sequence": 10}).encode())])
    world.ship()
    replayer._find_logs()
    [future] = world.admin.incremental_alter_configs([resource]).values()
    future.result(20)
    assert replayer.drain().dead_letters == 1
    assert world.sequences() == list(range(10))


@pytest.mark.parametrize(
    ("topic", "config", "message"),
    [
        ("target", {"cleanup_policy": "compact"}, "would forget events"),
        ("target", {"max_message_bytes": "100"}, "almost no event"),
        ("target", {"message_timestamp_type": "CreateTime", "retention_ms": "60000"}, "retention.ms=60000"),
        (
            "target",
            {"message_timestamp_type": "CreateTime", "retention_ms": "-1", "message_timestamp_before_max_ms": "60000"},
            "before.max.ms=60000",
        ),
    ],
)
def test_a_topic_that_does_not_fit_is_refused_by_name(world, topic, config, message):
    world.make_topic(**config)
    world.segments([10])
    with pytest.raises(TopicRefused, match=message) as caught:
        world.drain()
    assert world.name in str(caught.value)


def test_a_checkpoint_topic_with_other_partitions_is_refused(world):
    from confluent_kafka.admin import NewTopic

    name = world.settings.checkpoint_topic
    world.admin.create_topics([NewTopic(name, 5, config={"cleanup.policy": "compact"})])[name].result(20)
    world.segments([10])
    with pytest.raises(TopicRefused, match="has 5 partitions, checkpoint_partitions says 2"):
        world.drain()


def test_a_successor_waits_until_its_predecessor_is_delivered(world, tmp_path):
    world.append(50)
    world.ship()
    moved = tmp_path / "moved"
    shutil.copytree(world.spool_folder, moved)
    clone = World(tmp_path, world.bootstrap, world.name)
    clone.spool_folder = moved
    clone.append(50, start=50)
    clone.ship()
    [row] = [row for row in world.replayer().plan() if row.note]
    assert row.note.startswith("waits for log")
    world.drain()
    world.drain()
    assert_whole(world, 100, along_after=True)


def successor_of_a_lost_host(world: World, tmp_path) -> tuple[str, str]:
    """The ids of a log whose segment is not in the archive, and of the one that continues it."""
    world.append(50)
    world.ship()
    moved = tmp_path / "moved"
    shutil.copytree(world.spool_folder, moved)
    clone = World(tmp_path, world.bootstrap, world.name)
    clone.spool_folder = moved
    clone.append(50, start=50)
    clone.ship()
    [row] = [row for row in world.replayer().plan() if row.note]
    lost = row.note.split()[-1]
    world.store.delete(segment_key(world.settings.root, world.name, lost, 0))
    return lost, row.log


def test_a_successor_of_a_lost_host_is_released_with_a_reason(world, tmp_path):
    lost, log = successor_of_a_lost_host(world, tmp_path)
    parts = (world.settings, world.settings.stream(world.name), world.store, world.kafka)
    for _ in range(2):
        world.drain()
    assert world.sequences() == []
    with pytest.raises(SettingsError, match="needs a reason"):
        release(*parts, world.alarms, log=log, reason=" ")
    plan = plan_release(*parts, log=log)
    assert (plan.predecessor, plan.delivered_to) == (lost, 0)
    world.drain()
    assert world.sequences() == []
    assert release(*parts, world.alarms, log=log, reason="its host burnt down", who="ann") == plan
    world.drain()
    assert world.sequences() == list(range(50, 100))
    with pytest.raises(SettingsError, match="waits for no other log"):
        release(*parts, world.alarms, log=log, reason="again")


def test_verify_sees_a_missing_a_doubled_and_a_misplaced_event(world):
    from confluent_kafka import Producer

    world.segments([50])
    world.drain()
    assert world.row().is_green
    position = next(seen for seen in world.seen() if seen.offset == 7)
    header = b"\x01" + bytes(4) + (7).to_bytes(8, "big") + (7).to_bytes(8, "big") + (1).to_bytes(4, "big")
    producer = Producer({**world.kafka, "log_level": 0})
    producer.produce(
        world.name, position.payload, partition=position.partition, headers=[("spool", header + position.log.encode())]
    )
    producer.flush(20)
    row = world.row()
    assert (row.doubled, row.out_of_order, row.is_green) == (1, 1, False)
    assert ("verify_failed", f"{world.name}/{row.log}") in world.alarms.now


def test_verify_tells_expired_events_from_missing_ones(world):
    world.segments([100])
    world.drain()
    partition = next(iter({seen.partition for seen in world.seen()}))
    gone = sum(seen.partition == partition for seen in world.seen())
    end = sum(seen.partition == partition for seen in world.seen()) + 1  # the commit marker of the transaction too
    [future] = world.admin.delete_records([TopicPartition(world.name, partition, end)]).values()
    future.result(20)
    row = world.row()
    assert (row.expired, row.missing, row.is_green) == (gone, 0, True)


def test_verify_finds_events_that_a_checkpoint_claims_but_kafka_does_not_have(world):
    from spool.audit.verify_report import demand_green
    from spool.kafka.transactional_producer import KafkaSink, OutRecord
    from spool.replay.checkpoint import CheckpointKey, encode_checkpoint

    log = world.segments([100, 100])
    world.drain(max_events=1)
    key = CheckpointKey(world.name, world.name, log)
    claimed = world.checkpoint(log)._replace(next=200, segment=2)
    sink = KafkaSink(world.kafka, key.transactional_id)
    sink.open()
    sink.transact(
        [],
        lambda _: [
            OutRecord(world.settings.checkpoint_topic, key.partition(2), key.encode(), encode_checkpoint(claimed))
        ],
    )
    sink.drop()
    for full in (True, False):
        report = world.verified(full=full)
        assert report.rows[0].missing == 100
        with pytest.raises(VerifyFailed, match="100 missing"):
            demand_green([report])
