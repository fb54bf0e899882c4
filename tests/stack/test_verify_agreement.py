"""Verify and the independent checker count the same harm, whatever was done to the topic behind replay's back."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition

from spool.audit import topic_evidence, verify
from spool.event import Event
from spool.intake.client import SpoolClient
from tests.support.replay_world import World
from tests.torture.checker import SPOOL_HEADER, Seen, Verdict, judge


@pytest.fixture
def world(tmp_path, kafka_broker) -> World:
    return World(tmp_path, kafka_broker.bootstrap)


def appended(world: World, number: int) -> Path:
    """Segments of one event per key, with a journal written outside the spool."""
    journal = world.folder / "producer.journal"
    rows: list[dict[str, object]] = []
    with SpoolClient(world.spool_folder, world.settings, alarms=world.alarms) as client:
        for attempt, first in enumerate(range(0, number, 50)):
            payloads = [json.dumps({"key": f"k{n}", "sequence": 0}).encode() for n in range(first, first + 50)]
            events = [Event(payload, key=b"k%d" % n) for n, payload in enumerate(payloads, first)]
            hashes = [hashlib.sha256(payload).hexdigest() for payload in payloads]
            rows.append({"try": attempt, "events": [["k", 0, sha, None] for sha in hashes]})
            done = client.append(world.name, events)
            rows.append({"ok": attempt, "log": done.log, "ranges": [list(one) for one in done.ranges]})
    world.ship()
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return journal


def send_again(world: World, seen: list[Seen]) -> None:
    """What a replayer without transactions would do after a crash."""
    producer = Producer({**world.kafka, "log_level": 0})
    for one in seen:
        header = SPOOL_HEADER.pack(1, 0, one.offset, one.group_first, one.group_size) + one.log.encode()
        producer.produce(world.name, one.payload, partition=one.partition, headers=[("spool", header)])
    assert producer.flush(20) == 0


def verdict(world: World, journal: Path) -> Verdict:
    return judge([journal], world.seen())


def test_both_find_nothing_wrong_where_nothing_is(world):
    journal = appended(world, 400)
    world.drain()
    assert verdict(world, journal).clean
    for full in (True, False):
        assert world.row(full=full)._replace(log="") == (
            world.name, "", 400, 400, 0, 0, 0, 0, 0, 0, 0, 0, "",
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_both_count_the_same_doubles(world, seed):
    journal = appended(world, 200)
    world.drain()
    choice = random.Random(seed)
    again = choice.choices(world.seen(), k=choice.randint(1, 60))
    send_again(world, again)
    row = world.row()
    assert row.doubled == verdict(world, journal).doubled == len(again)
    assert (row.missing, row.delivered) == (0, 200)


def test_both_count_what_a_topic_lost_below_its_start(world):
    journal = appended(world, 200)
    world.drain()
    gone = Counter(seen.partition for seen in world.seen())
    partition = gone.most_common(1)[0][0]
    [future] = world.admin.delete_records([TopicPartition(world.name, partition, gone[partition] + 1)]).values()
    future.result(20)
    row = world.row()
    # To verify, which knows the topic's start, they are expired; to the checker they are not there.
    assert row.expired == verdict(world, journal).missing == gone[partition]
    assert row.missing == 0


def test_both_miss_everything_in_a_topic_made_anew(world):
    journal = appended(world, 200)
    world.drain()
    world.delete_topic(world.name)
    world.make_topic()
    assert verdict(world, journal).missing == 200
    for full in (True, False):
        row = world.row(full=full)
        assert (row.missing, row.is_green) == (200, False)


@pytest.mark.parametrize("full", [True, False])
def test_what_is_delivered_while_verify_looks_is_neither_lost_nor_missing(world, monkeypatch, full):
    appended(world, 50)
    world.drain()

    def look_then_deliver(look):
        def call(kafka, topic):
            ends = look(kafka, topic)
            appended(world, 50)
            world.drain()
            return ends

        return call

    for module in (verify, topic_evidence):
        if hasattr(module, "partitions_of"):
            monkeypatch.setattr(module, "partitions_of", look_then_deliver(module.partitions_of))
    row = world.row(full=full)
    assert (row.delivered, row.missing, row.is_green) == (50, 0, True)


def test_records_of_others_are_counted_as_foreign_and_harm_nothing(world):
    appended(world, 50)
    world.drain()
    producer = Producer({**world.kafka, "log_level": 0})
    producer.produce(world.name, b"not from a spool", partition=0)
    for header in (b"", b"\x01short", b"\x07" + bytes(30), b"\x01" + bytes(24) + b"\xff"):
        producer.produce(world.name, b"nor this", partition=0, headers=[("spool", header)])
    assert producer.flush(20) == 0
    report = world.verified()
    assert (report.foreign, report.is_green) == (5, True)
