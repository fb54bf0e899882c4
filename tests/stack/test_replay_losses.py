"""Kafka lost what it acknowledged, or is another one: noticed before anything is sent, and by the fast verify too."""

from __future__ import annotations

import pytest

from spool.errors import OperatorNeeded
from spool.kafka.transactional_producer import KafkaSink, OutRecord
from spool.replay.checkpoint import Checkpoint, CheckpointKey, encode_checkpoint
from tests.support.replay_world import World, assert_whole


@pytest.fixture
def world(tmp_path, kafka_broker) -> World:
    return World(tmp_path, kafka_broker.bootstrap)


def second_host(world: World) -> World:
    """Another host's log of the same stream, in the same archive."""
    other = World(world.folder, world.bootstrap, world.name)
    other.spool_folder = world.folder / "second"
    return other


def two_logs(world: World, first: int = 30, second: int = 200) -> tuple[str, str]:
    """Both delivered; their ids."""
    small = world.segments([first])
    other = second_host(world)
    large = other.append(second, start=first)
    other.ship()
    world.drain()
    return small, large


def put_checkpoint(world: World, log: str, checkpoint: Checkpoint) -> None:
    key = CheckpointKey(world.name, world.name, log)
    record = OutRecord(world.settings.checkpoint_topic, key.partition(2), key.encode(), encode_checkpoint(checkpoint))
    sink = KafkaSink(world.kafka, key.transactional_id)
    sink.open()
    sink.transact([], lambda _: [record])
    sink.drop()


def test_a_topic_created_again_is_noticed_though_another_log_has_filled_it_up(world):
    small, large = two_logs(world)
    world.delete_topic(world.name)
    world.make_topic()
    world.rewind(large, 0)
    with pytest.raises(OperatorNeeded, match=f"{small}"):
        world.drain()
    world.append(5, start=230)
    world.ship()
    before = len(world.seen())
    assert before == 200
    with pytest.raises(OperatorNeeded, match="created again"):
        world.drain()
    assert len(world.seen()) == before
    assert ("kafka_replaced", f"{world.name}/{small}") in world.alarms.now
    rows = {row.log: row for row in world.verified(full=False).rows}
    assert (rows[small].missing, rows[small].is_green, rows[large].is_green) == (30, False, True)
    world.rewind(small, 0)
    world.drain()
    assert_whole(world, 235)


def test_an_idle_log_notices_that_its_topic_was_created_again(world):
    log = world.segments([30])
    world.drain()
    world.delete_topic(world.name)
    world.make_topic()
    with pytest.raises(OperatorNeeded, match="created again"):
        world.drain()
    assert ("kafka_replaced", f"{world.name}/{log}") in world.alarms.now


@pytest.mark.parametrize("which", [0, 1], ids=["the first log's", "the second log's"])
def test_no_log_writes_into_a_topic_that_lost_the_events_of_another(world, which):
    logs = two_logs(world)
    loser = world.checkpoint(logs[which])
    put_checkpoint(world, logs[which], loser._replace(partitions={0: 1_000_000}))
    for host in (world, second_host(world)):
        host.append(5, start=230)
        host.ship()
    before = len(world.seen())
    with pytest.raises(OperatorNeeded, match="written up to 1000000"):
        world.drain()
    assert len(world.seen()) == before
    rows = {row.log: row for row in world.verified(full=False).rows}
    assert not rows[logs[which]].is_green
    assert rows[logs[1 - which]].is_green


def test_a_checkpoint_that_lost_its_newest_record_sends_nothing_again(world):
    log = world.segments([50])
    world.drain()
    older = world.checkpoint(log)
    world.append(60, start=50)
    world.ship()
    world.drain()
    put_checkpoint(world, log, older)
    before = len(world.seen())
    world.append(5, start=110)
    world.ship()
    with pytest.raises(OperatorNeeded, match="its newest is lost"):
        world.drain()
    assert len(world.seen()) == before
    world.rewind(log, 2)
    world.drain()
    assert_whole(world, 115)
