"""
From the outbox into the spool: every committed row once, per key in the order of the transactions.

For one stream, in this order; each step is durable before the next:

    1. the rows of the next batch get a sequence    outbox_batches (sequence, log, ids), one transaction
    2. they are appended as one unit                (producer, sequence): a repetition gets the same positions
    3. they are deleted, and step 1 of the next     one transaction

    dies after 1   the next drain reads the same ids and appends them under the same sequence
    dies in 2      the same; the spool knows whether it has the sequence
    dies after 2   the same; the spool answers with the positions it gave
    dies after 3   nothing is left of the batch

    the spool refuses the batch       nothing of it is written: its first half, under the same sequence; a single row
                                      that is refused becomes a dead letter, and the others go on
    the log has a successor           the same batch for that one, where it is certain that the log did not get it
    the log knows another sequence    a backup was restored, or the log was lost: a person decides (resync.py)

Two drains of one stream do no harm: both append the same batch under one sequence, and the comparison in step 3 lets
one of them go on. A server lock keeps them from trying. A stream that fails keeps its error to itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import Engine, select

from include.database.connection import transaction
from include.database.tables import OUTBOX, OUTBOX_BATCHES
from include.outbox.batches import Batch, Batches
from spool import failpoints
from spool.clock import Deadline
from spool.errors import EventRefused, ProducerConflict, ProducerMoved, SpoolError
from spool.event import Accepted, Event, ProducerPosition, ProducerSequence

PRODUCER = "outbox"

failpoints.declare(
    "outbox.sequence_given", "outbox.appended", "outbox.settled", "outbox.narrowed", "outbox.refused", "outbox.moved"
)


class IdempotentAppend(Protocol):
    """What of the spool's client is needed."""

    def append_once(self, stream: str, events: Sequence[Event], sequence: ProducerSequence) -> Accepted: ...

    def log_of(self, stream: str) -> str: ...

    def last_of(self, stream: str, producer: str) -> ProducerPosition: ...


class DrainSummary(NamedTuple):
    """
    What one drain did for one stream.

    refused  events that the spool will never take as they are: dead letters of the feature `outbox`
    is_busy  another drain of the stream was at work, so this one did nothing
    error    why it ended early; None when it drained all it could
    """

    events: int = 0
    batches: int = 0
    refused: int = 0
    is_busy: bool = False
    error: SpoolError | None = None


def drain(
    database: Engine, spool: IdempotentAppend, installation: str, *, deadline: Deadline, max_events: int | None = None
) -> dict[str, DrainSummary]:
    """
    Every stream that has rows, one after the other; one that fails does not stop the others.

    max_events: about so many of each stream. A stream whose turn comes when the deadline has passed still gets one
    batch, so that it never starves behind another.
    """
    with transaction(database) as connection:
        waiting = select(OUTBOX.c.stream).distinct()
        under_way = select(OUTBOX_BATCHES.c.stream).where(OUTBOX_BATCHES.c.ids.is_not(None))
        streams = {*connection.scalars(waiting), *connection.scalars(under_way)}
    return {
        stream: StreamDrain(database, spool, installation, stream).run(deadline, max_events)
        for stream in sorted(streams)
    }


def failed(summaries: Mapping[str, DrainSummary]) -> dict[str, SpoolError]:
    """The streams whose drain did not end well, with the reason."""
    return {stream: summary.error for stream, summary in summaries.items() if summary.error is not None}


def producer_name(installation: str, stream: str) -> str:
    """Who sends: the drain of one stream of one installation's database."""
    return f"{PRODUCER}/{installation}/{stream}"


class StreamDrain:
    """The drain of one stream."""

    def __init__(self, database: Engine, spool: IdempotentAppend, installation: str, stream: str) -> None:
        self._spool, self._stream = spool, stream
        self._batches = Batches(database, stream)
        self._producer = producer_name(installation, stream)
        self._done = DrainSummary()

    def run(self, deadline: Deadline, max_events: int | None) -> DrainSummary:
        """Until nothing is left, the deadline has passed, or something fails: the error is part of the answer."""
        self._done = DrainSummary()
        try:
            with self._batches.alone() as alone:
                if not alone:
                    return self._done._replace(is_busy=True)
                self._run(deadline, max_events)
        except SpoolError as error:
            return self._done._replace(error=error)
        return self._done

    def _run(self, deadline: Deadline, max_events: int | None) -> None:
        self._agree_on_log()
        batch = self._batches.next()
        if batch is not None:
            failpoints.reach("outbox.sequence_given")
        while batch is not None:
            enough = max_events is not None and self._done.events + len(batch.ids) >= max_events
            batch = self._step(batch, is_last=enough or deadline.expired)

    def _agree_on_log(self) -> None:
        """Where the drain ended in another log than the current one: go on in that, behind what it knows of us."""
        state = self._batches.state()
        if state.is_under_way or state.log == self._spool.log_of(self._stream):
            return
        known = self._spool.last_of(self._stream, self._producer)
        # A log that continues ours knows what we know. One that begins without a memory does not: its forerunner was
        # lost, and if the database was restored with it, what waits may have been shipped before.
        if known.sequence != state.sequence:
            raise self._conflict(f"the log {known.log} has sequence {known.sequence}, the database {state.sequence}")
        self._batches.begin(state, known)

    def _step(self, batch: Batch, *, is_last: bool) -> Batch | None:
        """Steps 2 and 3 for a batch; what is under way then."""
        sequence = ProducerSequence(self._producer, batch.sequence, batch.log)
        try:
            accepted = self._spool.append_once(self._stream, batch.events, sequence)
        except EventRefused as error:
            return self._refused(batch, error)
        except ProducerMoved as moved:
            return self._moved(batch, moved)
        except ProducerConflict as error:
            return self._not_ours(batch, error)
        failpoints.reach("outbox.appended")
        next_offset = accepted.ranges[-1].next if accepted.log == batch.log else 0
        following = self._batches.settle(batch, next_offset, take_next=not is_last)
        self._done = self._done._replace(events=self._done.events + len(batch.ids), batches=self._done.batches + 1)
        failpoints.reach("outbox.settled")
        return following

    def _refused(self, batch: Batch, error: EventRefused) -> Batch | None:
        """Nothing was written under this sequence, ever: a repetition would have got its positions."""
        if len(batch.ids) > 1:
            narrowed = self._batches.narrow(batch)
            failpoints.reach("outbox.narrowed")
            return narrowed
        following = self._batches.refuse(batch, str(error))
        self._done = self._done._replace(refused=self._done.refused + 1)
        failpoints.reach("outbox.refused")
        return following

    def _moved(self, batch: Batch, moved: ProducerMoved) -> Batch | None:
        if not moved.certainly_not_written:
            raise ProducerMoved(
                str(moved), log=moved.log, certainly_not_written=False, hint=_resync_hint(self._stream)
            ) from moved
        # The log was copied or forked, and what it knew went with it.
        following = self._batches.move(batch, moved.log)
        failpoints.reach("outbox.moved")
        return following

    def _not_ours(self, batch: Batch, error: ProducerConflict) -> Batch | None:
        """Another drain may have settled the batch, and the log has newer ones: go on with those."""
        current = self._batches.under_way()
        if current == batch:
            raise self._conflict(str(error)) from error
        return current or self._batches.next()

    def _conflict(self, message: str) -> ProducerConflict:
        return ProducerConflict(message, hint=_resync_hint(self._stream))


def _resync_hint(stream: str) -> str:
    return (
        "was the database or the spool folder restored from a backup, was the folder lost, or is SPILLWAY_INSTALLATION "
        f"another than before? `python -m include.outbox resync --stream {stream}` compares: docs/runbooks/outbox.md"
    )
