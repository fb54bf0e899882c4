"""A backlog of many small objects goes in few batches: each costs a round trip of its partition."""

from __future__ import annotations

import random

from spool.format.partition_batches import Lane, take_all
from spool.format.position_header import ArchivedPosition, encode_archived
from spool.format.relayout import archived_records
from spool.format.segment_index import Chunk, StoredBatch
from spool.kafka.topics import TargetTopic
from spool.replay.transaction_load import merged

TARGET = TargetTopic("t", 2, 1_000_000)


def stored(partition: int, offsets: range, value: bytes = b"v") -> StoredBatch:
    lane = Lane(partition, 900_000)
    for offset in offsets:
        header = encode_archived(ArchivedPosition("log", offset, 0, offset, 1))
        lane.append(offset, 1_700_000_000_000, b"k", value, [("spool", header)])
    [batch] = take_all([lane])
    return batch


def offsets_of(batches: tuple[StoredBatch, ...], partition: int) -> list[int]:
    own = tuple(batch for batch in batches if batch.partition == partition)
    return [one.position.offset for one in archived_records(Chunk(0, 10**6, 0, 0, own, 0))]


def test_a_thousand_batches_of_one_event_become_a_few_with_the_same_events_in_their_order():
    batches = [stored(n % 2, range(n, n + 1)) for n in range(1000)]
    together = merged(batches, TARGET)
    assert len(together) <= 4
    for partition in (0, 1):
        assert offsets_of(together, partition) == list(range(partition, 1000, 2))


def test_few_batches_are_sent_as_they_are_stored():
    batches = tuple(stored(0, range(n, n + 1)) for n in range(16))
    assert merged(batches, TARGET) == batches


def test_large_batches_among_many_small_ones_keep_their_bytes_and_their_place():
    large = stored(0, range(500, 503), random.Random(1).randbytes(25_000))
    batches = [stored(0, range(n, n + 1)) for n in range(30)]
    batches += [large, *(stored(0, range(n, n + 1)) for n in range(600, 630))]
    together = merged(batches, TARGET)
    assert large in together
    assert offsets_of(together, 0) == [*range(30), *range(500, 503), *range(600, 630)]


def test_no_merged_batch_is_larger_than_the_topic_takes():
    small_topic = TARGET._replace(message_bytes_max=20_000)
    batches = [stored(0, range(n, n + 1), b"%d" % n * 200) for n in range(200)]
    together = merged(batches, small_topic)
    assert all(len(batch.data) <= 20_000 for batch in together)
    assert offsets_of(together, 0) == list(range(200))
