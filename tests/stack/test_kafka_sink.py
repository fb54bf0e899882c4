"""The sink on a real broker: what the engine takes for granted of aiokafka's private parts and of its errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psutil
import pytest
from aiokafka import errors
from aiokafka.cluster import ClusterMetadata

from spool.errors import KafkaUnavailable
from spool.format.partition_batches import Lane
from spool.kafka.aiokafka_private import Sending
from spool.kafka.transactional_producer import BatchRefused, Fenced, KafkaSink, OutRecord, TransactionTimedOut
from tests.support.replay_world import World
from tests.torture.checker import SPOOL_HEADER

# Generous, where a transaction is not to be given up.
PATIENT_S = 60.0


@pytest.fixture
def world(tmp_path, kafka_broker) -> World:
    world = World(tmp_path, kafka_broker.bootstrap)
    world.make_topic(partitions=2)
    return world


@pytest.fixture
def sink(world) -> Iterator[KafkaSink]:
    sink = KafkaSink(world.kafka, f"sink-{world.name}", transaction_timeout_s=PATIENT_S)
    sink.open()
    yield sink
    sink.drop()


def batch(world: World, offsets: range, *, partition: int = 0, size: int = 10) -> Sending:
    lane = Lane(partition, 1 << 24)
    for offset in offsets:
        header = SPOOL_HEADER.pack(1, 0, offset, offset, 1) + b"log"
        lane.append(offset, 1_700_000_000_000, b"k", b"v" * size, [("spool", header)])
    [stored] = lane.take()
    return Sending(world.name, partition, stored.data, stored.event_count)


def none(_offsets: object) -> list[OutRecord]:
    return []


def offsets_seen(world: World) -> list[tuple[int, int]]:
    return sorted((seen.partition, seen.offset) for seen in world.seen())


def test_the_base_offsets_of_all_batches_are_known_before_the_commit(world, sink):
    told: list[int] = []
    batches = [
        batch(world, range(10)), batch(world, range(10, 15), partition=1), batch(world, range(15, 40)),
    ]  # fmt: skip
    sink.transact(batches, lambda offsets: told.extend(offsets) or [])
    assert told == [0, 0, 10]
    assert sink.transact([batch(world, range(40, 50))], none) == [36]  # behind the first one's commit marker
    assert offsets_seen(world) == sorted(
        [(0, n) for n in [*range(10), *range(15, 50)]] + [(1, n) for n in range(10, 15)]
    )


def test_two_hundred_batches_of_one_partition_keep_their_order(world, sink):
    sink.transact([batch(world, range(n, n + 1)) for n in range(200)], none)
    assert [seen.offset for seen in world.seen()] == list(range(200))


def test_nothing_is_committed_beside_a_refused_batch(world, tmp_path):
    tight = World(tmp_path, world.bootstrap)
    tight.make_topic(partitions=2, max_message_bytes="4000")
    sink = KafkaSink(tight.kafka, f"sink-{tight.name}", transaction_timeout_s=PATIENT_S)
    sink.open()
    good = batch(tight, range(5), partition=1)
    large = batch(tight, range(5, 3000))
    with pytest.raises(BatchRefused) as caught:
        sink.transact([good, large, batch(tight, range(3000, 3010))], none)
    assert list(caught.value.refused) == [1]
    assert caught.value.refused[1].startswith("10 ")
    assert not sink.is_open
    sink.open()
    assert tight.seen() == []
    sink.transact([good], none)
    assert offsets_seen(tight) == [(1, n) for n in range(5)]
    sink.drop()


def test_a_failing_record_beside_the_batches_commits_nothing(world, sink):
    def broken(_offsets: object) -> list[OutRecord]:
        raise ValueError("no checkpoint can be made")

    with pytest.raises(ValueError, match="no checkpoint"):
        sink.transact([batch(world, range(5))], broken)
    sink.open()
    assert world.seen() == []


def test_a_newer_producer_fences_a_young_transaction(world, sink):
    sink.transact([batch(world, range(5))], none)
    newer = KafkaSink(world.kafka, f"sink-{world.name}", transaction_timeout_s=PATIENT_S)
    newer.open()
    with pytest.raises(Fenced):
        sink.transact([batch(world, range(5, 10))], none)
    newer.transact([batch(world, range(5, 10))], none)
    newer.drop()
    assert offsets_seen(world) == [(0, n) for n in range(10)]


def test_a_transaction_older_than_its_timeout_is_told_from_a_newer_owner(world, sink):
    ages = iter([0, int((PATIENT_S + 1) * 1e9)])
    with pytest.MonkeyPatch.context() as patch:
        newer = KafkaSink(world.kafka, f"sink-{world.name}", transaction_timeout_s=PATIENT_S)
        newer.open()
        patch.setattr("spool.kafka.transactional_producer.boottime_ns", lambda: next(ages))
        with pytest.raises(TransactionTimedOut, match="61 s old"):
            sink.transact([batch(world, range(5))], none)
        newer.drop()


def test_opening_ends_the_transaction_that_a_dropped_producer_left(world, sink):
    reached = threading.Event()

    def records(_offsets: object) -> list[OutRecord]:
        reached.set()
        raise ValueError("die here, with batches in an open transaction")

    with pytest.raises(ValueError, match="die here"):
        sink.transact([batch(world, range(5))], records)
    assert reached.is_set()
    sink.open()
    sink.transact([batch(world, range(5))], none)
    assert offsets_seen(world) == [(0, n) for n in range(5)]  # not held up by the old one, and once


@pytest.mark.parametrize("code", [87, 90, 105])
def test_the_codes_that_aiokafka_lacks_are_in_its_table(code):
    assert errors.for_code(code).errno == code


def test_what_goes_on_without_an_answer_ends_at_its_deadline(world, sink, kafka_broker):
    sink.transact([batch(world, range(5))], none)
    sink.transaction_timeout_s = 5.0
    kafka_broker.pause()
    try:
        with pytest.raises(KafkaUnavailable, match="no answer"):
            sink.transact([batch(world, range(5, 10))], none)
        with pytest.raises(KafkaUnavailable):
            sink.open()
    finally:
        kafka_broker.go_on()
    sink.transaction_timeout_s = PATIENT_S
    sink.open()
    sink.transact([batch(world, range(5, 10))], none)
    assert offsets_seen(world) == [(0, n) for n in range(10)]


def test_a_cluster_that_names_no_broker_yet_is_waited_for(world, monkeypatch):
    update, answers = ClusterMetadata.update_metadata, iter([[]])
    monkeypatch.setattr(
        ClusterMetadata,
        "update_metadata",
        lambda self, metadata: (setattr(metadata, "brokers", next(answers, metadata.brokers)), update(self, metadata)),
    )
    sink = KafkaSink(world.kafka, f"sink-{world.name}", transaction_timeout_s=PATIENT_S)
    sink.open()
    sink.transact([batch(world, range(5))], none)
    sink.drop()
    assert offsets_seen(world) == [(0, n) for n in range(5)]


def test_two_hundred_drops_in_mid_transaction_leave_nothing_behind(world):
    process = psutil.Process()

    def records(_offsets: object) -> list[OutRecord]:
        raise ValueError("dropped in mid-transaction")

    def drop(times: int) -> None:
        sink = KafkaSink(world.kafka, f"sink-{world.name}", transaction_timeout_s=PATIENT_S)
        for number in range(times):
            sink.open()
            if number % 4 == 0:
                with pytest.raises(ValueError, match="mid-transaction"):
                    sink.transact([batch(world, range(50))], records)
            sink.drop()

    drop(20)
    before = (process.num_threads(), process.num_fds(), process.memory_info().rss)
    drop(200)
    assert process.num_threads() <= before[0] + 1
    assert process.num_fds() <= before[1] + 3
    assert process.memory_info().rss < before[2] + 16 * 1024 * 1024
