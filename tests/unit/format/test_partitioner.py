"""Keys go to the partitions that Kafka's Java client gives them."""

from __future__ import annotations

import random

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2

from spool.format.partitioner import Partitioner, murmur2

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", JAVA)
def test_murmur2_is_that_of_java(key: bytes) -> None:
    assert murmur2([key]) == [JAVA[key] & 0x7FFFFFFF]
    assert murmur2([key] * 20) == [JAVA[key] & 0x7FFFFFFF] * 20


def test_keys_of_every_length_agree_with_another_implementation() -> None:
    source = random.Random(7)
    keys = [source.randbytes(length) for length in range(70) for _ in range(20)]
    source.shuffle(keys)
    assert murmur2(keys) == [aiokafka_murmur2(key) & 0x7FFFFFFF for key in keys]


def test_no_keys_have_no_codes() -> None:
    assert murmur2([]) == []


def test_a_key_has_one_partition_in_every_log() -> None:
    keys = [b"k%d" % n for n in range(100)]
    one = Partitioner("a", 7).of(keys, range(100))
    assert one == Partitioner("b", 7).of(keys, range(500, 600))
    assert one == [code % 7 for code in murmur2(keys)]


def test_an_event_without_a_key_has_its_partition_from_log_and_offset_alone() -> None:
    together = Partitioner("a", 5).of([None, b"k", None, b"", None], range(10, 15))
    alone = [Partitioner("a", 5).of([None], [offset])[0] for offset in (10, 12, 14)]
    assert [together[0], together[2], together[4]] == alone


def test_events_without_keys_are_spread_evenly() -> None:
    partitions = Partitioner("a", 4).of([None] * 400, range(400))
    assert [partitions.count(n) for n in range(4)] == [100] * 4


def test_no_partitions_are_refused() -> None:
    with pytest.raises(ValueError, match="0 partitions"):
        Partitioner("a", 0)
