"""
The replay of one log into one topic: the story of rules 19 to 26.

    look     place the source behind the checkpoint, claiming nothing
    claim    take the log, after everything that Kafka says of it agreed            claim.py
    advance  chunks of the archive in one transaction with the checkpoint and the delivery
             what Kafka refuses is sifted out and kept as dead letters              refused_records.py
             what was requeued or discarded is not sent again from here             settled_letters.py
    release  give the log up, so that the next instance need not wait
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from spool.clock import boottime_ns, now_ms
from spool.dead_letters.states import LetterStates
from spool.errors import LogGap, NotOwner, SpoolError
from spool.event import COMMIT_EVENTS_MAX
from spool.format.segment_index import Chunk
from spool.kafka.aiokafka_private import Sending
from spool.kafka.transactional_producer import BatchRefused, Fenced, KafkaSink, OutRecord, TransactionTooSlow
from spool.replay.archive_source import ArchiveSource, SourceChunk
from spool.replay.checkpoint import Checkpoint
from spool.replay.claim import Claim, kafka_replaced
from spool.replay.deliveries import DeliveredBatch
from spool.replay.notes import Holes, Notes, checkpoint_after
from spool.replay.pace import Pace
from spool.replay.refusals import without
from spool.replay.refused_records import RefusedRecords
from spool.replay.settled_letters import SettledLetters
from spool.replay.surroundings import Surroundings
from spool.replay.transaction_load import collect, fitting, holes_of, merged

LOGGER = logging.getLogger(__name__)

RENEW_S = 10.0
# Halving a batch of 50,000 takes 16 tries; a chunk has a handful of batches a partition.
TRIES_MAX = 2000


class Advance(NamedTuple):
    """What one transaction did."""

    events: int = 0
    laid_out_anew: int = 0
    dead_letters: int = 0
    delay_ms: int = 0


class _OldOffset(SpoolError):
    """Kafka answered an offset that it had given before. Raised within the producer's loop, explained outside."""


class LogReplay:
    """Owns the log from the first `advance` with something to send until `release`. An error drops its producer."""

    def __init__(self, around: Surroundings, log: str, source: ArchiveSource, pace: Pace | None = None) -> None:
        self._around = around
        self.log = log
        self._key = around.key(log)
        self._notes = Notes(around.settings, self._key)
        self._source = source
        self._pace = pace or Pace()
        self._sink = KafkaSink(
            around.kafka,
            self._key.transactional_id,
            transaction_timeout_s=around.transaction_timeout_s * self._pace.patience,
        )
        self._checkpoint: Checkpoint | None = None
        self._renewed_ns = 0
        self._looked = False
        self._refused = RefusedRecords(around, log, self._key.topic)
        self._settled = SettledLetters(LetterStates(around.archive.store, around.archive.root), around.stream, log)
        # Perhaps: an earlier run may have left this alarm open.
        self._in_gap = True

    @property
    def name(self) -> str:
        return self._around.subject(self.log)

    def look(self, checkpoint: Checkpoint | None) -> None:
        """Place the source behind a checkpoint, without claiming anything. LogGap, with its alarm."""
        with self._gap_alarm():
            self._seek(checkpoint)
        self._looked = True

    def advance(self, events_max: int | None = None) -> Advance | None:
        """Deliver the next transaction's worth; None when the archive has nothing more. Errors: rules 20 to 26.

        events_max ends the transaction behind the chunk that reaches it.
        """
        if not self._looked:
            self.look(self._around.checkpoints.read(self._key))
        if self._peek() is None:
            self._renew()
            return None
        if self._checkpoint is None or not self._sink.is_open or self._sink.is_worn:
            self._claim()
            if self._peek() is None:
                return None
        enough = COMMIT_EVENTS_MAX if events_max is None else events_max
        return self._deliver(collect(self._source, self.name, enough, self._pace.limits()))

    def release(self) -> None:
        """Give the log up: the next instance need not wait. Never fails; a killed instance is waited for."""
        try:
            if self._sink.is_open and self._checkpoint is not None and self._checkpoint.instance:
                self._commit_checkpoint(self._checkpoint._replace(instance=""))
        except SpoolError as error:
            LOGGER.info("log=%s not released: %s", self.name, error)
        finally:
            self.drop()

    def drop(self) -> None:
        """After an error: the next `advance` looks and claims again, with the time that the pace then allows."""
        self._sink.drop()
        self._sink.transaction_timeout_s = self._around.transaction_timeout_s * self._pace.patience
        self._checkpoint = None
        self._looked = False

    def _peek(self) -> SourceChunk | None:
        with self._gap_alarm():
            chunk = self._source.peek()
        if self._in_gap and chunk is not None:
            self._around.alarms.close("log_gap", self.name)
            self._in_gap = False
        return chunk

    @contextmanager
    def _gap_alarm(self) -> Iterator[None]:
        """A gap stops this log, with an alarm that closes when the missing segment has come."""
        try:
            yield
        except LogGap as error:
            self._around.alarms.open("log_gap", self.name, str(error))
            self._in_gap = True
            raise

    def _seek(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is not None:
            self._source.seek(checkpoint.segment, checkpoint.next)
            return
        first = self._source.first_segment()
        if first is not None:
            self._source.seek(first.segment, first.first_offset)

    def _claim(self) -> None:
        try:
            with self._gap_alarm():
                claim = Claim(self._around, self.log, self._sink)
                checkpoint = claim.run(self._source.first_segment, self._commit_checkpoint)
            self._settled.begin(checkpoint.next)
        except BaseException:
            self.drop()
            raise
        self._seek(checkpoint)

    def _renew(self) -> None:
        """An idle owner says every 10 s that it lives."""
        if self._checkpoint is not None and boottime_ns() - self._renewed_ns > RENEW_S * 1e9:
            self._commit_checkpoint(self._checkpoint._replace(skipped=()))

    def _deliver(self, taken: Sequence[SourceChunk]) -> Advance:
        assert self._checkpoint is not None
        target = self._around.cluster.target
        chunks = [fitting(source, target, self._checkpoint) for source in taken]
        fitted = tuple(stored for chunk in chunks for stored in chunk.batches)
        as_stored = {id(stored) for source in taken for stored in source.chunk.batches}
        batches = merged(fitted, target)
        whole = Chunk(
            self._checkpoint.next, taken[-1].next_offset, 0, 0, batches, sum(chunk.event_count for chunk in chunks)
        )
        holes = holes_of(taken, whole.first_offset, whole.next_offset)
        began_ns = boottime_ns()
        try:
            sent, skipped = self._send(whole, taken[-1].next_segment, holes)
        except TransactionTooSlow as error:
            error.has_another_try = self._pace.timed_out(len(taken))
            self.drop()
            raise
        self._pace.committed((boottime_ns() - began_ns) / 1e9, self._sink.call_timeout_s)
        if holes:
            self._around.alarms.open(
                "log_hole", self.name, f"{len(holes)} ranges of offsets have no events: {holes[:5]}"
            )
        oldest = min((source.chunk.min_time_ms for source in taken if source.chunk.event_count), default=now_ms())
        anew = sum(id(stored) not in as_stored for stored in batches)
        return Advance(sent.event_count, anew, skipped, max(0, now_ms() - oldest))

    def _send(self, chunk: Chunk, next_segment: int, holes: Holes) -> tuple[Chunk, int]:
        """Send until Kafka takes it, sifting out what it refuses. Returns what was sent and how many were refused."""
        settled = self._settled.below(chunk.next_offset)
        if settled:
            chunk = without(chunk, settled)
        refused: list[int] = []
        for _ in range(TRIES_MAX):
            try:
                self._transact(chunk, next_segment, (*sorted(settled), *refused), holes)
            except BatchRefused as refusal:
                chunk = self._refused.sifted(chunk, refusal, refused)
                self._open_again()
            else:
                self._refused.committed(refused)
                return chunk, len(refused)
        raise self._refused.too_many(len(chunk.batches))

    def _open_again(self) -> None:
        """After a refusal. NotOwner when somebody else went on meanwhile: what is in hand may be delivered by now."""
        self._sink.open()
        stored = self._around.checkpoints.read(self._key)
        if stored != self._checkpoint:
            self.drop()
            raise NotOwner(
                f"{self.name} was replayed by {stored.instance or 'another' if stored else 'another'} meanwhile",
                hint="it goes on from there with the next run",
            )

    def _transact(self, chunk: Chunk, next_segment: int, skipped: tuple[int, ...], holes: Holes) -> None:
        checkpoint = self._checkpoint
        assert checkpoint is not None
        committed: list[Checkpoint] = []

        def records(kafka_offsets: Sequence[int]) -> list[OutRecord]:
            delivery = self._notes.delivery_of(chunk, kafka_offsets, checkpoint, skipped=skipped, holes=holes)
            self._refuse_old_offsets(checkpoint, delivery.batches)
            committed.append(checkpoint_after(checkpoint, delivery, next_segment, self._around.instance))
            return [self._notes.checkpoint_record(committed[0]), self._notes.delivery_record(delivery)]

        sendings = [
            Sending(self._key.topic, stored.partition, stored.data, stored.event_count) for stored in chunk.batches
        ]
        announced = self._notes.announced(with_delivery=True)
        self._in_transaction(lambda: self._sink.transact(sendings, records, announced))
        self._checkpoint = committed[0]
        self._around.ledger.note_written(committed[0].partitions)
        self._renewed_ns = boottime_ns()

    def _commit_checkpoint(self, checkpoint: Checkpoint) -> None:
        checkpoint = checkpoint._replace(time_ms=now_ms())
        record = self._notes.checkpoint_record(checkpoint)
        announced = self._notes.announced(with_delivery=False)
        self._in_transaction(lambda: self._sink.transact([], lambda _: [record], announced))
        self._checkpoint = checkpoint
        self._renewed_ns = boottime_ns()

    def _in_transaction(self, work: Callable[[], object]) -> None:
        try:
            work()
        except _OldOffset as error:
            self.drop()
            raise kafka_replaced(self._around, self.log, str(error)) from error
        except Fenced as error:
            self.drop()
            raise NotOwner(f"{self.name}: {error}", hint="the newer one goes on; the next run tries again") from error
        except BatchRefused:
            raise
        except BaseException:
            self.drop()
            raise

    def _refuse_old_offsets(self, checkpoint: Checkpoint, batches: Sequence[DeliveredBatch]) -> None:
        for batch in batches:
            last = self._around.ledger.last_written(batch.partition, checkpoint)
            if batch.kafka_offset <= last:
                raise _OldOffset(
                    f"{self._key.topic}/{batch.partition} answered offset {batch.kafka_offset}, "
                    f"{last} was written before"
                )
