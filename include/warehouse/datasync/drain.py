"""
A journal into the stream, each batch once.

    the warehouse is not as the journal says     the change was never made there: the journal is discarded
    it is                                        batches behind the last sequence that the spool knows; then settled

    dies between batches   the next drain begins behind the last one that the spool has
    dies before settling   the spool has them all; nothing is appended
    another log            the spool says whether the old one may have a batch that the new one does not know; then a
                           person decides, or `sync --full` begins a new epoch
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from include.warehouse.datasync.journal import Pending, State, TableJournal, disk_errors
from include.warehouse.datasync.row_events import batches
from include.warehouse.errors import WarehouseRefused
from include.warehouse.events import DATASYNC
from include.warehouse.target.port import WarehouseTarget
from spool import failpoints
from spool.errors import ProducerConflict, ProducerMoved
from spool.event import Accepted, Event, ProducerPosition, ProducerSequence

failpoints.declare("warehouse.datasync.appended", "warehouse.datasync.all_appended", "warehouse.datasync.settled")

_HINT = "`sync --full` of this table begins a new epoch of the stream: docs/runbooks/datasync.md"


class IdempotentAppend(Protocol):
    """What of the spool's client is needed."""

    def append_once(self, stream: str, events: Sequence[Event], sequence: ProducerSequence) -> Accepted: ...

    def last_of(self, stream: str, producer: str) -> ProducerPosition: ...


def producer_name(installation: str, table: str) -> str:
    """Who sends the changes of one table. The spool never forgets names that begin with `datasync/`."""
    return f"datasync/{installation}/{table}"


def drain(journal: TableJournal, target: WarehouseTarget, spool: IdempotentAppend, *, give_up: bool = False) -> int:
    """
    Bring what waits into the stream; how many events were appended, durable on this host's disk.

    give_up: where it cannot be known or read what is left, discard it, because a new epoch follows. Errors: those
    of the spool's client, whose hints say what to do; the journal is kept.
    """
    pending = journal.pending()
    if pending is None:
        return 0
    if State.of(target.current(journal.installation, journal.table)) != pending.record:
        journal.discard(pending)
        return 0
    try:
        appended = _append(journal, pending, spool)
    except (ProducerConflict, ProducerMoved, WarehouseRefused):
        if not give_up:
            raise
        journal.discard(pending)
        return 0
    failpoints.reach("warehouse.datasync.all_appended")
    journal.settle(pending)
    failpoints.reach("warehouse.datasync.settled")
    return appended


def _append(journal: TableJournal, pending: Pending, spool: IdempotentAppend) -> int:
    producer = producer_name(journal.installation, journal.table)
    done = _batches_done(pending, spool.last_of(DATASYNC, producer))
    appended, log = 0, pending.log
    number = 0
    with journal.read_rows(pending) as rows, disk_errors(journal):
        for number, batch in enumerate(batches(pending, rows), start=1):
            if number > done:
                log = _append_batch(spool, batch, ProducerSequence(producer, pending.first + number - 1, log))
                appended += len(batch)
                failpoints.reach("warehouse.datasync.appended")
    if number < done:
        raise ProducerConflict(f"{journal}: the spool has {done} batches of a journal of {number}", hint=_HINT)
    return appended


def _batches_done(pending: Pending, position: ProducerPosition) -> int:
    done = position.sequence - pending.first + 1
    if done >= 0:
        return done
    if position.log == pending.log:
        raise ProducerConflict(
            f"the spool knows sequence {position.sequence} of {pending.installation}/{pending.table}, the journal "
            f"follows {pending.first - 1}",
            hint=_HINT,
        )
    # A log that does not remember: append_once says whether the one before may have had it.
    return 0


def _append_batch(spool: IdempotentAppend, batch: Sequence[Event], sequence: ProducerSequence) -> str:
    """The log that has it."""
    try:
        return spool.append_once(DATASYNC, batch, sequence).log
    except ProducerMoved as moved:
        if not moved.certainly_not_written:
            raise ProducerMoved(str(moved), log=moved.log, certainly_not_written=False, hint=_HINT) from moved
        return spool.append_once(DATASYNC, batch, sequence._replace(log=moved.log)).log
    except ProducerConflict as error:
        raise ProducerConflict(str(error), hint=_HINT) from error
