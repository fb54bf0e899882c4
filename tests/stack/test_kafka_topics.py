"""Looking at topics on a real broker: ids, brokers that stand still or are advertised wrongly, wrong settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool.errors import KafkaRefused, KafkaUnavailable, TopicRefused
from spool.kafka import topics
from spool.kafka.topics import prepare, topic_id_of
from tests.support.private_kafka import KafkaBroker
from tests.support.replay_world import World


@pytest.fixture
def world(tmp_path, kafka_broker) -> World:
    return World(tmp_path, kafka_broker.bootstrap)


def test_a_topic_that_was_created_again_has_another_id(world):
    assert topic_id_of(world.kafka, world.name) == ""
    world.make_topic()
    first = topic_id_of(world.kafka, world.name)
    assert prepare(world.kafka, world.settings, world.stream).target.topic_id == first != ""
    world.delete_topic(world.name)
    world.make_topic()
    assert topic_id_of(world.kafka, world.name) not in ("", first)


@pytest.mark.parametrize("answered", ["cluster_metadata", "_configs"])
def test_a_broker_that_stops_between_two_looks_is_an_outage(world, kafka_broker, monkeypatch, answered):
    prepare(world.kafka, world.settings, world.stream)
    monkeypatch.setattr(topics, "_TIMEOUT_S", 2.0)
    monkeypatch.setattr(topics, "_ANSWER_S", 1.0)
    original = getattr(topics, answered)

    def then_stands_still(*arguments, **options):
        found = original(*arguments, **options)
        kafka_broker.pause()
        return found

    monkeypatch.setattr(topics, answered, then_stands_still)
    try:
        with pytest.raises(KafkaUnavailable):
            prepare(world.kafka, world.settings, world.stream)
    finally:
        kafka_broker.go_on()


def test_a_name_that_no_topic_can_have_is_refused(world):
    from dataclasses import replace

    with pytest.raises(TopicRefused):
        prepare(world.kafka, world.settings, replace(world.stream, topic="no topic/at all"))


def test_a_transaction_log_that_needs_more_brokers_is_refused_by_its_setting(tmp_path):
    settings = {"transaction.state.log.replication.factor": "3"}
    with KafkaBroker(Path(tmp_path), settings=settings) as broker:
        world = World(tmp_path, broker.bootstrap)
        with pytest.raises(KafkaRefused, match=r"transaction\.state\.log\.replication\.factor=3"):
            prepare(world.kafka, world.settings, world.stream)
