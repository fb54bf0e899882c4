"""
Drain a stream: all its logs from the archive into its topic.

One pass gives every log its turn; a log that cannot go on (a gap, damage, another owner, a slow partition) does not
stop the others: it is tried again later and later, and its error is raised when the drain ends. An outage of Kafka or
of the store ends a bounded drain with that error; with `follow` it is waited for, without end or to the deadline,
where it is raised if it still lasts.
"""

from __future__ import annotations

import logging
import socket
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from spool.alarm import AlarmSink, LogOnlyAlarms
from spool.archive.archive import Archive
from spool.clock import Deadline
from spool.errors import KafkaUnavailable, SettingsError, SpoolError, StoreUnavailable, TerminalError, TransientError
from spool.kafka.topics import demand_answer, prepare
from spool.kafka.transactional_producer import TRANSACTION_TIMEOUT_S, TransactionTimedOut, TransactionTooSlow
from spool.replay.agreement import TopicLedger
from spool.replay.archive_source import READ_AHEAD
from spool.replay.checkpoint import CheckpointReader, TransactionStaysOpen
from spool.replay.log_replay import LogReplay
from spool.replay.plan import PlanRow, plan
from spool.replay.roster import Roster
from spool.replay.standing import Standings, guarded
from spool.replay.surroundings import Surroundings
from spool.settings import Settings, StreamSettings
from spool.store.object_store import ObjectStore

LOGGER = logging.getLogger(__name__)

# A log's turn within a pass: long enough for large transactions, short enough that no log of the stream starves.
TURN_TRANSACTIONS = 20
# With nothing to do: first look soon, then less often; 2 s is the most an event waits for a look.
IDLE_S = (0.1, 0.25, 0.5, 1.0, 2.0)
# With Kafka or the store away, or refusing the whole stream.
OUTAGE_S = (0.5, 1.0, 2.0, 5.0)


@dataclass
class ReplaySummary:
    """
    What a drain did. `waiting` names logs that could not go on, with the reason.

    longest_delay_ms: from the oldest event's time to its delivery.
    """

    events: int = 0
    transactions: int = 0
    batches_laid_out_anew: int = 0
    dead_letters: int = 0
    longest_delay_ms: int = 0
    waiting: dict[str, str] = field(default_factory=dict)
    plan: list[PlanRow] = field(default_factory=list)


def new_instance() -> str:
    """Who replays, for other instances to see. A stable name of the caller's own saves the wait after a kill."""
    return f"{socket.gethostname()}/{uuid.uuid4().hex[:8]}"


class Replayer:
    """One stream's replay. Not thread-safe; several may run side by side, also on several hosts (rule 22)."""

    def __init__(
        self,
        settings: Settings,
        stream: StreamSettings,
        store: ObjectStore,
        kafka: Mapping[str, str],
        alarms: AlarmSink | None = None,
        *,
        instance: str | None = None,
        transaction_timeout_s: float = TRANSACTION_TIMEOUT_S,
    ) -> None:
        self._settings = settings
        self._stream = stream
        self._archive = Archive(store, settings.root)
        self._kafka = kafka
        self._alarms = alarms or LogOnlyAlarms()
        self._instance = instance or new_instance()
        self._transaction_timeout_s = transaction_timeout_s
        self._readers = ThreadPoolExecutor(READ_AHEAD, thread_name_prefix="archive")
        self._standings = Standings(stream.name, self._alarms)
        self._roster: Roster | None = None
        self._goes_on = False

    def drain(
        self,
        *,
        max_events: int | None = None,
        deadline_s: float | None = None,
        follow: bool = False,
        dry_run: bool = False,
        stop: threading.Event | None = None,
    ) -> ReplaySummary:
        """
        Deliver what the archive holds.

        Ends when nothing is left (with `follow` only at the deadline or `stop`), or after about `max_events`: chunks
        are sent whole. dry_run: only the plan. Raises the most serious error of its logs when it ends; it names all.
        """
        summary = ReplaySummary()
        if dry_run:
            summary.plan = self.plan()
            return summary
        deadline = Deadline.after(deadline_s if deadline_s is not None else 1e9)
        stop = stop or threading.Event()
        try:
            self._passes(summary, max_events, deadline, follow, stop)
        except KafkaUnavailable:
            self._forget_logs()  # releasing each would wait for Kafka once more
            raise
        finally:
            self.close()
        summary.waiting = self._standings.reasons()
        self._standings.raise_worst()
        return summary

    def plan(self) -> list[PlanRow]:
        """What a drain would send now, one row per log. Claims and changes nothing."""
        checkpoints = self._checkpoint_reader().read_all()
        return plan(self._archive, self._stream, checkpoints)

    def close(self) -> None:
        """Release every log that was claimed."""
        if self._roster is not None:
            self._roster.release()
        self._roster = None

    @property
    def _logs(self) -> Mapping[str, LogReplay]:
        return self._roster.logs if self._roster is not None else {}

    def _forget_logs(self) -> None:
        """After an outage everything is looked up again: also the cluster, which may be another one now."""
        if self._roster is not None:
            self._roster.drop()
        self._roster = None

    def _passes(
        self, summary: ReplaySummary, max_events: int | None, deadline: Deadline, follow: bool, stop: threading.Event
    ) -> None:
        idle = outage = 0
        while not (deadline.expired or stop.is_set()):
            try:
                sent = self._one_pass(summary, max_events, deadline, stop)
            except SettingsError:
                raise  # this process will not see other settings
            except SpoolError as error:
                if not follow:
                    raise
                self._note_outage(error)
                stop.wait(min(OUTAGE_S[min(outage, len(OUTAGE_S) - 1)], deadline.remaining_s))
                if deadline.expired:
                    raise
                outage += 1
                continue
            outage = 0
            self._standings.succeeded("")
            if max_events is not None and summary.events >= max_events:
                return
            if sent:
                idle = 0
                continue
            if not follow:
                return
            stop.wait(min(IDLE_S[min(idle, len(IDLE_S) - 1)], deadline.remaining_s))
            idle += 1

    def _note_outage(self, error: SpoolError) -> None:
        """Of the whole stream. A refusal may pass too (a clock, a policy being changed): waited for, with an alarm."""
        if isinstance(error, TerminalError):
            self._standings.failed("", error)
        LOGGER.warning("stream=%s waiting: %s", self._stream.name, error)
        self._forget_logs()

    def _one_pass(
        self, summary: ReplaySummary, max_events: int | None, deadline: Deadline, stop: threading.Event
    ) -> bool:
        """Every log's turn; whether anything was sent. Raises SpoolError where it concerns all logs."""
        self._find_logs()
        before = summary.events + summary.dead_letters
        self._goes_on = False
        for log in list(self._logs.values()):
            if self._standings.of(log.log).retry_at.expired:
                turn = partial(self._turn, log, summary, max_events, deadline, stop)
                done = guarded(self._standings, log.log, turn, self._passing)
                if not done:
                    log.drop()
            if deadline.expired or stop.is_set():
                break
        return self._goes_on or summary.events + summary.dead_letters > before

    def _turn(
        self, log: LogReplay, summary: ReplaySummary, max_events: int | None, deadline: Deadline, stop: threading.Event
    ) -> None:
        for _ in range(TURN_TRANSACTIONS):
            if deadline.expired or stop.is_set() or (max_events is not None and summary.events >= max_events):
                return
            try:
                done = log.advance(None if max_events is None else max_events - summary.events)
            except (TransactionTimedOut, TransactionTooSlow) as error:
                if isinstance(error, TransactionTooSlow) and not error.has_another_try:
                    raise
                # This process slept, or Kafka is slow: what was delivered shows with the next claim.
                LOGGER.warning("log=%s: %s", log.name, error)
                log.drop()
                self._goes_on = True
                return
            if done is None:
                return
            summary.events += done.events
            summary.transactions += 1
            summary.batches_laid_out_anew += done.laid_out_anew
            summary.dead_letters += done.dead_letters
            summary.longest_delay_ms = max(summary.longest_delay_ms, done.delay_ms)

    def _passing(self, error: Exception) -> None:
        """Raise a log's error where it concerns all: Kafka, or the store, answers nobody."""
        if isinstance(error, TransactionStaysOpen) or not isinstance(error, TransientError):
            return
        try:
            if isinstance(error, StoreUnavailable):
                self._archive.logs(self._stream.name)
            else:
                demand_answer(self._kafka)
        except SpoolError:
            raise error from None

    def _find_logs(self) -> None:
        """The stream's logs, those of new hosts too; all that is known is dropped where the topic is another one."""
        if self._roster is not None and not self._roster.is_due:
            return
        if self._roster is not None and self._roster.is_of_another_topic():
            self._forget_logs()
        if self._roster is None:
            self._roster = Roster(self._surroundings(), self._standings, self._readers, self._passing)
        self._roster.look()

    def _surroundings(self) -> Surroundings:
        cluster = prepare(self._kafka, self._settings, self._stream)
        return Surroundings(
            self._settings, self._stream.name, self._archive, self._kafka, cluster, self._checkpoint_reader(),
            TopicLedger(self._kafka, cluster.target), self._alarms, self._instance, self._transaction_timeout_s,
        )  # fmt: skip

    def _checkpoint_reader(self) -> CheckpointReader:
        return CheckpointReader(
            self._kafka,
            self._settings.checkpoint_topic,
            self._settings.checkpoint_partitions,
            timeout_s=self._transaction_timeout_s + 10,
        )
