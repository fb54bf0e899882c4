"""
The one place that touches aiokafka's private accumulator: sending record batches as they are stored.

aiokafka does metadata, leaders, coordinators, TLS, SASL, transactions and retries; its accumulator takes any object
that looks like its BatchBuilder. The version is pinned exactly;
tests/stack/test_kafka_sink.py guards what is used here.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from spool.format import record_batch

_NO_BROKER_YET_S = 0.1


class Sending(NamedTuple):
    """A stored batch on its way to a partition."""

    topic: str
    partition: int
    data: bytes | memoryview
    event_count: int


class _StoredBatch:
    """Looks like aiokafka's BatchBuilder, already closed. `data` was checked before; it is copied to be patched."""

    def __init__(self, sending: Sending) -> None:
        self._data = bytearray(sending.data)
        self._event_count = sending.event_count

    def size(self) -> int:
        return len(self._data)

    def record_count(self) -> int:
        return self._event_count

    def closed(self) -> bool:
        return True

    def close(self) -> None:
        """It is."""

    def append(self, **_: object) -> None:
        """Nothing can be added."""

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        record_batch.set_fields(self._data, base_offset=0, producer=(producer_id, producer_epoch, base_sequence))

    def _build(self) -> bytearray:
        return self._data


async def start(producer: AIOKafkaProducer) -> None:
    """
    Start it, and wait as long as the cluster names no broker, as one that just started does for a moment: aiokafka
    asserts that there is one. Ends with the caller's deadline.
    """
    client = producer.client
    await client.bootstrap()
    while not client.cluster.brokers():
        await asyncio.sleep(_NO_BROKER_YET_S)
        await client.force_metadata_update()
    await producer.start()


def queue(producer: AIOKafkaProducer, sending: Sending) -> asyncio.Future[Any]:
    """Queue a batch in the open transaction; the future gives RecordMetadata or raises. In the producer's loop."""
    partition = TopicPartition(sending.topic, sending.partition)
    # add_batch would wait until the partition's last batch was taken; order within the queue is all that is needed.
    queued = producer._message_accumulator._append_batch(_StoredBatch(sending), partition)
    future: asyncio.Future[Any] = queued.future
    return future


def add_partition(producer: AIOKafkaProducer, topic: str, partition: int) -> None:
    """Announce a partition of the open transaction early, so that it goes out in one request with the others."""
    producer._txn_manager.maybe_add_partition_to_txn(TopicPartition(topic, partition))


def close_sockets(producer: AIOKafkaProducer) -> None:
    """Give up a producer without asking the broker for anything: stop() and abort() block while it is down."""
    producer._closed = True
    for connection in list(producer.client._conns.values()):
        connection.close()
