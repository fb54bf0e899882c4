"""A replayer that was away for a while, by sleep or by refusals, meets one that went on meanwhile."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from confluent_kafka import Producer

from spool.dead_letters.letters import letters
from spool.errors import NotOwner, OperatorNeeded
from spool.event import Event
from spool.intake.client import SpoolClient
from spool.replay import claim
from spool.replay.checkpoint import Checkpoint, CheckpointKey, CheckpointReader, encode_checkpoint
from tests.support.replay_world import World, assert_whole, go_on, wait_until_stopped


@pytest.fixture
def world(tmp_path, kafka_broker) -> World:
    return World(tmp_path, kafka_broker.bootstrap)


def with_a_refused_event(world: World) -> str:
    """100 events, one that the topic refuses, 100 more: numbers 0 to 99 and 200 to 299 can arrive. The log's id."""
    world.make_topic(max_message_bytes="20000")
    world.append(100)
    too_large = json.dumps({"key": "k0", "sequence": 100, "pad": os.urandom(30_000).hex()}).encode()
    with SpoolClient(world.spool_folder, world.settings, alarms=world.alarms) as client:
        client.append(world.name, [Event(too_large, key=b"k0")])
    log = world.append(100, start=200)
    world.ship()
    return log


def test_a_replayer_killed_behind_a_dead_letter_is_continued_and_the_letter_counts_once(world):
    log = with_a_refused_event(world)
    child = world.drain_in_child("replay.dead_letter.put=kill@1")
    assert child.wait(240) == -signal.SIGKILL, (world.folder / "child.log").read_text()
    assert world.drain().dead_letters == 1
    assert world.sequences() == [*range(100), *range(200, 300)]
    assert [letter.position.offset for letter in letters(world.store, "spool", world.name, log)] == [100]
    assert world.row().is_green


def test_one_that_slept_while_it_sifted_sends_nothing_again_that_another_delivered(world):
    with_a_refused_event(world)
    child = world.drain_in_child("replay.dead_letter.put=stop@1")
    wait_until_stopped(child)
    assert world.drain().dead_letters == 1  # the same instance name: it takes over at once
    go_on(child)
    child.wait(240)
    assert world.sequences() == [*range(100), *range(200, 300)]
    row = world.row()
    assert (row.doubled, row.skipped, row.is_green) == (0, 1, True)


def test_one_that_slept_past_its_transaction_finishes_by_itself(world):
    world.transaction_timeout_s = 5.0
    world.segments([200, 200])
    child = world.drain_in_child("replay.txn.sent=stop@2")
    wait_until_stopped(child)
    time.sleep(7)  # longer than the transaction's timeout
    go_on(child)
    assert child.wait(240) == 0, (world.folder / "child.log").read_text()
    assert_whole(world, 400)


@pytest.mark.parametrize("compared", ["compare_deliveries", "read_marker"])
def test_one_that_is_overtaken_while_it_compares_gives_way_without_an_alarm(world, monkeypatch, compared):
    world.segments([100, 100])
    original = getattr(claim, compared)

    def overtaken(*arguments):
        monkeypatch.setattr(claim, compared, original)
        World(world.folder, world.bootstrap, world.name).replayer("other").drain()
        return original(*arguments)

    monkeypatch.setattr(claim, compared, overtaken)
    with pytest.raises(NotOwner):
        world.drain()
    assert "kafka_replaced" not in {name for name, _subject in world.alarms.now}
    assert_whole(world, 200)


def test_a_topic_made_anew_between_two_transactions_stops_the_log_before_anything_is_committed(world):
    log = world.segments([100])
    replayer = world.replayer()
    replayer._find_logs()
    [replay] = replayer._logs.values()
    assert replay.advance().events == 100
    world.delete_topic(world.name)
    world.make_topic()
    world.append(100, start=100)
    world.ship()
    with pytest.raises(OperatorNeeded, match=r"answered offset 0, \d+ was written before"):
        replay.advance()
    assert ("kafka_replaced", f"{world.name}/{log}") in world.alarms.now
    assert world.seen() == []
    world.rewind(log, 0)
    world.drain()
    assert_whole(world, 200)


def test_a_restart_after_a_kill_does_not_wait_for_the_old_transaction_s_timeout(world):
    world.segments([200])
    child = world.drain_in_child("replay.txn.records_sent=kill@2")
    assert child.wait(240) == -signal.SIGKILL
    # A look that waited for the open transaction would raise: its patience is shorter than the transaction's timeout.
    impatient = CheckpointReader(world.kafka, world.settings.checkpoint_topic, 2, timeout_s=30.0)
    assert [held.next for held in impatient.read_all(decided=True).values()] == [0]
    world.drain()
    assert_whole(world, 200)


def test_a_look_ends_before_an_open_transaction_though_an_aborted_one_lies_in_between(world):
    log = world.segments([10])
    world.drain()
    key, topic = CheckpointKey(world.name, world.name, log), world.settings.checkpoint_topic

    def begun(name: str) -> Producer:
        producer = Producer({**world.kafka, "transactional.id": f"{world.name}-{name}", "log_level": 0})
        producer.init_transactions(20)
        producer.begin_transaction()
        value = encode_checkpoint(Checkpoint(next=999, segment=99))
        producer.produce(topic, key=key.encode(), value=value, partition=key.partition(2))
        assert producer.flush(20) == 0
        return producer

    aborted, still_open = begun("aborted"), begun("open")
    aborted.abort_transaction(20)
    reader = CheckpointReader(world.kafka, topic, 2, timeout_s=30.0)
    assert reader.read_decided(key).next == 10
    still_open.abort_transaction(20)
    assert reader.read(key).next == 10
