"""Kafka dies, or stands still, under a replay: nothing is lost, nothing comes twice, nothing waits without a bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spool.errors import KafkaUnavailable
from spool.kafka import topics
from tests.support.private_kafka import KafkaBroker
from tests.support.replay_world import World, assert_whole, go_on, wait_until_stopped
from tests.support.waiting import until


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One of our own: these tests kill it."""
    with KafkaBroker(Path(tmp_path_factory.mktemp("killed-broker"))) as broker:
        yield broker


@pytest.fixture
def world(tmp_path, broker) -> World:
    # Calls are given up after part of this.
    return World(tmp_path, broker.bootstrap, transaction_timeout_s=5.0)


@pytest.mark.parametrize("failpoint", ["replay.txn.sent", "replay.txn.records_sent"])
def test_a_broker_killed_in_mid_transaction_loses_and_doubles_nothing(world, broker, failpoint):
    world.segments([200, 200], group=10)
    child = world.drain_in_child(f"{failpoint}=stop@2")
    wait_until_stopped(child)
    broker.kill()
    go_on(child)
    time.sleep(0.5)  # the child meets the dead broker first
    broker.start()
    child.wait(240)
    world.append(100, start=400)
    world.ship()
    world.drain()
    assert_whole(world, 500)


def test_a_replay_that_follows_outlives_its_broker(world, broker):
    stop = threading.Event()
    replayer = world.replayer()
    world.segments([100, 100])
    follower = threading.Thread(target=lambda: replayer.drain(follow=True, stop=stop))
    follower.start()
    try:
        wait_for(lambda: len(world.seen()) == 200)
        broker.kill()
        world.append(100, start=200)
        world.ship()
        time.sleep(1.0)
        broker.start()
        wait_for(lambda: len(world.seen()) == 300)
    finally:
        stop.set()
        follower.join(240)
    assert not follower.is_alive()
    assert_whole(world, 300)


def test_with_kafka_away_a_bounded_replay_ends_with_what_to_do_and_the_next_goes_on(world, broker, monkeypatch):
    world.segments([100])
    world.drain()
    world.append(50, start=100)
    world.ship()
    monkeypatch.setattr(topics, "_TIMEOUT_S", 2.0)
    broker.kill()
    with pytest.raises(KafkaUnavailable) as caught:
        world.drain()
    assert "held safely" in caught.value.hint
    broker.start()
    world.drain()
    assert_whole(world, 150)


def test_a_broker_that_stands_still_ends_a_bounded_replay(world, broker, monkeypatch):
    monkeypatch.setattr(topics, "_TIMEOUT_S", 2.0)
    world.segments([100])
    broker.pause()
    try:
        with pytest.raises(KafkaUnavailable):
            world.drain()
    finally:
        broker.go_on()
    world.drain()
    assert_whole(world, 100)


def wait_for(condition: Callable[[], bool]) -> None:
    """A topic that is not there yet, or a broker that starts, counts as not yet."""

    def holds() -> bool:
        try:
            return condition()
        except (KeyError, RuntimeError, TimeoutError):
            return False

    until(holds, "replay has come so far", every_s=0.2)
