"""The checkpoint's record: read back as written, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from spool.errors import OperatorNeeded
from spool.replay.checkpoint import Checkpoint, CheckpointKey, decode_checkpoint, encode_checkpoint
from spool.replay.deliveries import DeliveredBatch, Delivery, decode_delivery, encode_delivery

CHECKPOINT = Checkpoint(
    next=70_000, segment=12, generation=2, again_until=50_000, partitions={0: 7, 11: 2**40}, skipped=(5, 6),
    instance="host/1", time_ms=1_700_000_000_000, reason="topic recreated", who="operator",
)  # fmt: skip


def test_a_checkpoint_is_read_as_it_was_written():
    assert decode_checkpoint(encode_checkpoint(CHECKPOINT)) == CHECKPOINT


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not JSON",
        b"[]",
        b"{}",
        encode_checkpoint(CHECKPOINT).replace(b'"version":1', b'"version":2'),
        encode_checkpoint(CHECKPOINT).replace(b'"next"', b'"nxt"'),
    ],
)
def test_what_is_no_checkpoint_of_this_version_asks_for_an_operator(value):
    with pytest.raises(OperatorNeeded) as caught:
        decode_checkpoint(value)
    assert "upgrade" in caught.value.hint


def test_topic_stream_and_log_and_nothing_else_make_key_and_transactional_id():
    key = CheckpointKey("t", "s", "l1")
    assert key.encode() == b"t/s/l1"
    assert key.transactional_id == "spool/t/s/l1"
    assert CheckpointKey("other", "s", "l1").transactional_id != key.transactional_id


def test_a_key_lies_in_the_partition_that_kafka_s_own_hash_gives():
    # murmur2("21") & 0x7fffffff = 1173551340 - by Kafka's UtilsTest: murmur2("21") = -973932308.
    class Key(CheckpointKey):
        def encode(self) -> bytes:
            return b"21"

    assert Key("", "", "").partition(1000) == (-973932308 & 0x7FFFFFFF) % 1000


def test_a_delivery_is_read_as_it_was_written():
    delivery = Delivery(
        "t",
        "s",
        "l",
        1,
        10,
        20,
        (DeliveredBatch(0, 100, 6, 10, 18), DeliveredBatch(1, 7, 2, 11, 19)),
        (12,),
        ((13, 14),),
    )
    assert decode_delivery(encode_delivery(delivery)) == delivery


def test_a_delivery_with_the_most_batches_a_transaction_may_have_fits_a_record():
    from spool.replay.transaction_load import BATCHES_MAX

    batches = tuple(DeliveredBatch(999, 10**13 + n, 1, 10**13 + n, 10**13 + n) for n in range(BATCHES_MAX))
    delivery = Delivery("t" * 200, "s" * 60, "l" * 20, 9, 10**13, 10**13 + BATCHES_MAX, batches, (), ())
    assert len(encode_delivery(delivery)) < 500_000
