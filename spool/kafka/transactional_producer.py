"""
One transactional producer: a transaction is committed whole, or its producer is dropped.

    1. begin                       announce all partitions
    2. send the stored batches     await every one: aiokafka commits over a refused batch (rule 21)
    3. send the records            checkpoint and deliveries, which name the batches' Kafka offsets
    4. commit

After any error the producer is never used again; the next `open` of the same id ends what it left behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, RequestTimedOutError

from spool import failpoints
from spool.clock import boottime_ns
from spool.errors import KafkaUnavailable, SpoolError
from spool.kafka import aiokafka_private
from spool.kafka.aiokafka_private import Sending
from spool.kafka.client_errors import FENCED, OF_KAFKA, REFUSALS, explain
from spool.kafka.client_settings import aiokafka_settings
from spool.kafka.event_loop import EventLoop

LOGGER = logging.getLogger(__name__)
# While the broker is down aiokafka writes some twenty lines a second; what matters of them is raised here.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

failpoints.declare("replay.txn.begun", "replay.txn.sent", "replay.txn.records_sent", "replay.txn.committed")

TRANSACTION_TIMEOUT_S = 30.0
_CALL_PART = 2 / 3
# A partition's sequence numbers are 31 bits, and aiokafka's do not wrap as the broker's do (rule 21).
RECORDS_MAX = 2**30
_TIME_OUTS = (TimeoutError, KafkaTimeoutError, RequestTimedOutError)


class OutRecord(NamedTuple):
    """A record written beside the batches."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class BatchRefused(SpoolError):
    """Kafka will never take some batches; `refused` are their numbers and reasons, the first of each partition."""

    def __init__(self, refused: Mapping[int, str]) -> None:
        super().__init__(f"{len(refused)} batches refused: {sorted(set(refused.values()))}")
        self.refused = dict(refused)


class Fenced(SpoolError):
    """Another producer took the transactional id while our transaction was young: somebody else replays this log."""


class TransactionTimedOut(KafkaUnavailable):
    """The broker ended our transaction because it was older than its timeout."""


class TransactionTooSlow(KafkaUnavailable):
    """
    A transaction did not end within its call's time: Kafka stands still, or takes less than was sent.

    has_another_try  whether the caller can send less, or wait longer, the next time
    """

    has_another_try = False


MakeRecords = Callable[[Sequence[int]], Sequence[OutRecord]]
"""From the Kafka base offset of each batch to the records that belong to them."""


class KafkaSink:
    """
    Opened by `open`, which uses `transaction_timeout_s` as it is then.

    After KafkaUnavailable, KafkaRefused, Fenced or BatchRefused it has to be opened again.
    """

    def __init__(
        self, kafka: Mapping[str, str], transactional_id: str, *, transaction_timeout_s: float = TRANSACTION_TIMEOUT_S
    ) -> None:
        self._kafka = kafka
        self._transactional_id = transactional_id
        self.transaction_timeout_s = transaction_timeout_s
        self._loop: EventLoop | None = None
        self._producer: AIOKafkaProducer | None = None
        self._records = 0

    @property
    def call_timeout_s(self) -> float:
        """Seconds that one call may take: well under the transaction's, so that it ends before the broker ends that."""
        return self.transaction_timeout_s * _CALL_PART

    @property
    def is_open(self) -> bool:
        return self._loop is not None

    @property
    def is_worn(self) -> bool:
        """Whether a new producer is due before sequence numbers run out."""
        return self._records >= RECORDS_MAX

    def open(self) -> None:
        """Init the transactional id: fences our old self and ends its transaction. Dropped first if it was open."""
        self.drop()
        self._loop = EventLoop(f"kafka {self._transactional_id}")
        self._records = 0
        try:
            self._loop.call(self._start(), self.call_timeout_s)
        except BaseException as error:
            self.drop()
            if isinstance(error, OF_KAFKA):
                raise explain(error, self._kafka, "starting a producer") from error
            raise

    def transact(
        self, batches: Sequence[Sending], make_records: MakeRecords, announce: Sequence[tuple[str, int]] = ()
    ) -> list[int]:
        """
        One transaction; the Kafka base offset of each batch. Committed when it returns.

        announce: partitions of the records, so that they are added to the transaction with those of the batches.
        """
        assert self._loop is not None, "open it first"
        began_ns = boottime_ns()
        try:
            offsets = self._loop.call(self._transact(batches, make_records, announce), self.call_timeout_s)
        except BaseException as error:
            self.drop()
            raise self._explained(error, (boottime_ns() - began_ns) / 1e9) from error
        failpoints.reach("replay.txn.committed")
        self._records += sum(sending.event_count for sending in batches) + 2
        return offsets

    def drop(self) -> None:
        """Give the producer up, whatever it does. Its open transaction ends with the next `open`, or by its timeout."""
        loop, producer = self._loop, self._producer
        self._loop = self._producer = None
        if loop is not None:
            loop.drop(lambda: aiokafka_private.close_sockets(producer) if producer else None)

    async def _start(self) -> None:
        self._producer = AIOKafkaProducer(
            transactional_id=self._transactional_id,
            transaction_timeout_ms=int(self.transaction_timeout_s * 1000),
            request_timeout_ms=int(self.call_timeout_s * 1000),
            max_request_size=1 << 24,
            max_batch_size=1 << 24,
            retry_backoff_ms=50,
            **aiokafka_settings(self._kafka),
        )
        await aiokafka_private.start(self._producer)

    async def _transact(
        self, batches: Sequence[Sending], make_records: MakeRecords, announce: Sequence[tuple[str, int]]
    ) -> list[int]:
        producer = self._producer
        assert producer is not None
        for topic in sorted({*(sending.topic for sending in batches), *(topic for topic, _ in announce)}):
            await producer.client._wait_on_metadata(topic)
        await producer.begin_transaction()
        for topic, partition in announce:
            aiokafka_private.add_partition(producer, topic, partition)
        failpoints.reach("replay.txn.begun")
        futures = [aiokafka_private.queue(producer, sending) for sending in batches]
        offsets = _offsets(batches, await asyncio.gather(*futures, return_exceptions=True))
        failpoints.reach("replay.txn.sent")
        records = make_records(offsets)
        sent = [
            await producer.send(record.topic, record.value, key=record.key, partition=record.partition)
            for record in records
        ]
        await asyncio.gather(*sent)
        failpoints.reach("replay.txn.records_sent")
        await producer.commit_transaction()
        return offsets

    def _explained(self, error: BaseException, age_s: float) -> BaseException:
        if isinstance(error, (*FENCED, TimeoutError)) and age_s >= self.transaction_timeout_s:
            # Calls end before that, so this process did not run for a while.
            return TransactionTimedOut(f"the transaction was {age_s:.0f} s old; the broker ended it")
        if isinstance(error, FENCED):
            return Fenced("another producer took over this log's transactional id")
        if isinstance(error, _TIME_OUTS):
            return TransactionTooSlow(
                f"Kafka at {self._kafka.get('bootstrap.servers', '?')}, sending a transaction: {error}",
                hint="it goes on with smaller transactions: is there a quota, a slow disk, or no broker?",
            )
        if not isinstance(error, OF_KAFKA):
            return error  # ours, or a fault of this program: what it says is not about Kafka
        return explain(error, self._kafka, "sending a transaction")


def _offsets(batches: Sequence[Sending], answers: Sequence[Any]) -> list[int]:
    """The base offsets; BatchRefused names the first refused batch of each partition; other errors are raised."""
    refused: dict[int, str] = {}
    partitions: set[tuple[str, int]] = set()
    others: list[BaseException] = []
    for number, (sending, answer) in enumerate(zip(batches, answers, strict=True)):
        lane = (sending.topic, sending.partition)
        if lane in partitions:
            continue  # what follows a refused batch fails for its sequence number alone
        if isinstance(answer, REFUSALS):
            refused[number] = f"{getattr(answer, 'errno', 0)} {getattr(answer, 'message', type(answer).__name__)}"
            partitions.add(lane)
        elif isinstance(answer, BaseException):
            others.append(answer)
    if refused:
        raise BatchRefused(refused)
    if others:
        raise next((error for error in others if isinstance(error, FENCED)), others[0])
    offsets = [-1 if answer is None or answer.offset is None else int(answer.offset) for answer in answers]
    if any(offset < 0 for offset in offsets):
        raise KafkaUnavailable("a batch was answered without an offset; the transaction is sent again")
    return offsets
