"""The verdict on one log, from a real archive in memory and what Kafka is said to hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from spool.audit.delivered import TopicNow
from spool.audit.log_evidence import LogEvidence
from spool.audit.verify_report import VerifyRow
from spool.format.position_header import ArchivedPosition
from spool.format.relayout import archived_records
from spool.kafka.watermarks import Watermarks
from spool.replay.checkpoint import Checkpoint
from spool.replay.deliveries import DeliveredBatch, Delivery
from tests.fakes.memory_store import MemoryStore
from tests.support.spool_host import SpoolHost

SEGMENTS, EVENTS = 8, 20
ALL = SEGMENTS * EVENTS
DONE = Checkpoint(next=ALL, segment=SEGMENTS, topic_id="id")


@pytest.fixture
def host(tmp_path: Path) -> SpoolHost:
    host = SpoolHost(tmp_path / "spool", MemoryStore())
    host.append_segments("e", SEGMENTS, EVENTS)
    host.ship()
    return host


def deliveries(host: SpoolHost, generation: int = 0) -> list[Delivery]:
    """A transaction a segment, as replay would note it: Kafka gave each partition's events places in a row."""
    ends, result = Counter[int](), []
    for number in host.archive.segments(host.name):
        segment = host.archive.read(host.name, number)
        batches = []
        for stored in (stored for chunk in segment.chunks for stored in chunk.batches):
            batches.append(
                DeliveredBatch(
                    stored.partition, ends[stored.partition], stored.event_count, stored.first_offset,
                    stored.last_offset,
                )
            )  # fmt: skip
            ends[stored.partition] += stored.event_count + 1
        first, after = segment.first_offset, segment.next_offset
        result.append(Delivery("t", *host.name, generation, first, after, tuple(batches), (), (), "id"))
    return result


def evidence(
    host: SpoolHost, checkpoint: Checkpoint | None = DONE, *, topic_id: str = "id", lows: tuple[int, ...] = (0, 0, 0)
) -> LogEvidence:
    now = TopicNow(topic_id, {partition: Watermarks(low, 10_000) for partition, low in enumerate(lows)})
    return LogEvidence(host.archive, host.name, "t", checkpoint, now)


def fast(host: SpoolHost, checkpoint: Checkpoint | None = DONE, **options: object) -> VerifyRow:
    log = evidence(host, checkpoint, **options)  # type: ignore[arg-type]
    for one in deliveries(host):
        log.delivered.add(one)
    return log.row(full=False)


def seen(log: LogEvidence, offset: int, generation: int = 0) -> None:
    log.see(ArchivedPosition(log._name.log, offset, generation, 0, 1), 0)


def test_what_was_delivered_whole_is_green(host):
    assert fast(host) == VerifyRow(*host.name, archived=ALL, delivered=ALL)


def test_a_log_whose_first_object_is_gone_has_a_gap_unless_its_floor_says_so(host):
    del host.store.objects[host.archive.key(host.name, 0)]
    assert fast(host).gaps == 1
    host.archive.raise_floor(host.name, 1)
    assert fast(host).gaps == 0


def test_a_topic_created_again_is_seen_however_long_it_has_grown(host):
    row = fast(host, topic_id="another")
    assert not row.is_green
    assert "created again" in row.error


def test_a_partition_that_ends_before_what_was_written_is_seen_by_the_fast_form(host):
    row = fast(host, DONE._replace(partitions={0: 10_000}))
    assert not row.is_green
    assert "t/0 ends at 10000" in row.error


def test_an_event_far_from_offset_0_costs_what_one_near_it_costs(host):
    log = evidence(host)
    for offset in (10**9, 1 << 63, ALL):
        seen(log, offset)
    assert sum(map(len, log._seen._generations.values())) == 0


def test_generations_that_no_rewind_made_are_not_counted(host):
    log = evidence(host)
    for generation in range(1, 1000):
        seen(log, 3, generation)
    assert log._seen._generations == {}


@pytest.mark.parametrize("missing", [[], [7], list(range(30, 50))])
def test_the_full_form_misses_exactly_what_did_not_come(host, missing):
    log = evidence(host)
    for offset in set(range(ALL)) - set(missing):
        seen(log, offset)
    assert (log.row(full=True).missing, log.row(full=True).doubled) == (len(missing), 0)


def test_expired_events_are_told_from_missing_ones_by_reading_each_object_once(host):
    everything = deliveries(host)
    gone = set(range(0, ALL, 2))
    low = everything[-2].batches[0].kafka_offset
    lost_partition = everything[0].batches[0].partition
    lows = tuple(low if partition == lost_partition else 0 for partition in range(3))
    log = evidence(host, lows=lows)
    for one in everything:
        log.delivered.add(one)
    of_partition = {offset for number in range(SEGMENTS - 2) for offset in offsets_in(host, number, lost_partition)}
    for offset in set(range(ALL)) - gone:
        seen(log, offset)
    host.store.calls.clear()
    row = log.row(full=True)
    assert 0 < row.expired == len(gone & of_partition)
    assert row.missing > 0
    assert row.missing == len(gone) - row.expired
    reads = Counter(call.key for call in host.store.calls if call.name == "get")
    assert set(reads.values()) == {1}


def test_what_every_partition_has_removed_is_expired_without_reading_an_object(host):
    log = evidence(host, lows=(9_000, 9_000, 9_000))
    for one in deliveries(host):
        log.delivered.add(one)
    host.store.calls.clear()
    assert (log.row(full=True).expired, log.row(full=True).missing) == (ALL, 0)
    assert not [call for call in host.store.calls if call.name == "get"]


def offsets_in(host: SpoolHost, number: int, partition: int) -> list[int]:
    return [
        one.position.offset
        for chunk in host.archive.read(host.name, number).chunks
        for one in archived_records(
            chunk._replace(batches=tuple(stored for stored in chunk.batches if stored.partition == partition))
        )
    ]
