"""Replay into a real broker: every event once, in order, groups whole, whatever dies in between."""

from __future__ import annotations

import json
import shutil
import signal
import threading

import pytest

from spool import failpoints
from spool.errors import KafkaUnavailable, NotOwner
from spool.event import Event
from spool.intake.client import SpoolClient
from spool.kafka import topics
from tests.support.replay_world import World, assert_whole, go_on, wait_until_stopped

REPLAY_FAILPOINTS = [name for name in failpoints.NAMES if name.startswith("replay.") and "dead_letter" not in name]


@pytest.fixture
def world(tmp_path, kafka_broker) -> World:
    return World(tmp_path, kafka_broker.bootstrap)


def test_everything_arrives_once_and_in_order_with_groups_whole(world):
    world.segments([500, 300, 200], group=20)
    summary = world.drain()
    assert (summary.events, summary.batches_laid_out_anew, summary.dead_letters) == (1000, 0, 0)
    assert_whole(world, 1000)
    groups = {(s.group_first, s.group_size) for s in world.seen() if s.group_size > 1}
    assert groups == {(480, 20), (780, 20), (980, 20)}


def test_a_second_drain_sends_nothing(world):
    world.segments([100])
    world.drain()
    assert world.drain().events == 0
    assert_whole(world, 100)


def test_a_drain_goes_on_where_max_events_ended_the_last(world):
    world.segments([100, 100, 100])
    assert world.drain(max_events=50).events < 300
    world.drain()
    assert_whole(world, 300)


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(world):
    log = world.segments([60, 40])
    [row] = world.drain(dry_run=True).plan
    assert (row.log, row.next_offset, row.archived, row.events, row.note) == (log, 0, 100, 100, "")
    assert world.name not in world.admin.list_topics(timeout=240).topics


def test_the_failpoints_of_replay_are_all_tried():
    assert len(REPLAY_FAILPOINTS) >= 5


@pytest.mark.parametrize("failpoint", REPLAY_FAILPOINTS)
def test_a_replayer_killed_at_a_failpoint_is_continued_by_the_next(world, failpoint):
    world.segments([200, 200], group=10)
    child = world.drain_in_child(f"{failpoint}=kill@1")
    assert child.wait(240) == -signal.SIGKILL, (world.folder / "child.log").read_text()
    world.append(100, start=400)
    world.ship()
    world.drain()
    assert_whole(world, 500)


def test_a_replayer_killed_in_its_second_transaction_is_continued(world):
    world.segments([200, 200])
    child = world.drain_in_child("replay.txn.sent=kill@3")
    assert child.wait(240) in (0, -signal.SIGKILL)
    world.drain()
    assert_whole(world, 400)


def test_a_replayer_that_wakes_after_another_took_over_does_no_harm(world):
    world.segments([200, 200])
    child = world.drain_in_child("replay.txn.sent=stop@2")
    wait_until_stopped(child)
    world.drain()  # the same instance name: it takes over at once
    go_on(child)
    child.wait(240)
    assert_whole(world, 400)


def test_another_instance_leaves_a_log_alone_that_was_touched_a_moment_ago(world):
    world.segments([100])
    child = world.drain_in_child("replay.txn.committed=kill@2", instance="first")
    child.wait(240)
    world.append(50, start=100)
    world.ship()
    with pytest.raises(NotOwner, match="replayed by first"):
        world.replayer("second").drain()
    world.replayer("first").drain()
    assert_whole(world, 150)


def test_an_instance_that_ended_well_is_followed_at_once(world):
    world.segments([100])
    world.replayer("first").drain()
    world.append(50, start=100)
    world.ship()
    world.replayer("second").drain()
    assert_whole(world, 150)


def test_two_replayers_at_once_deliver_everything_once(world):
    world.segments([100] * 6)
    errors: list[BaseException] = []

    def drain(name: str) -> None:
        try:
            world.replayer(name).drain()
        except NotOwner as error:
            errors.append(error)

    threads = [threading.Thread(target=drain, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) <= 1, errors  # one may give way, never both
    assert_whole(world, 600)


def test_two_hosts_deliver_into_one_topic(tmp_path, kafka_broker):
    world = World(tmp_path, kafka_broker.bootstrap)
    other = World(tmp_path, kafka_broker.bootstrap, world.name)
    other.spool_folder = tmp_path / "other-host"
    world.append(100)
    other.append(100, start=100)
    world.ship()
    other.ship()
    world.drain()
    assert len({s.log for s in world.seen()}) == 2
    assert_whole(world, 200)


def test_every_event_acknowledged_by_s3_arrives_though_the_folder_is_wiped(world):
    events = [Event(json.dumps({"key": "k", "sequence": n}).encode(), key=b"k") for n in range(50)]
    with SpoolClient(world.spool_folder, world.settings, store=lambda: world.store, alarms=world.alarms) as client:
        accepted = client.append(world.name, events, acknowledgement="s3")
        client.append_group(world.name, [Event(b'{"key": "k", "sequence": 50}', key=b"k")], acknowledgement="s3")
    assert accepted.acknowledgement == "s3"
    shutil.rmtree(world.spool_folder)
    world.drain()
    assert_whole(world, 51)


def test_a_wrong_port_is_said_with_what_to_do(world, monkeypatch):
    monkeypatch.setattr(topics, "_TIMEOUT_S", 2.0)
    world.segments([10])
    world.kafka = {"bootstrap.servers": "127.0.0.1:1", "socket.timeout.ms": "1000"}
    with pytest.raises(KafkaUnavailable) as caught:
        world.drain()
    assert "127.0.0.1:1" in str(caught.value)
    assert "held safely" in caught.value.hint
