"""
Drain a stream: all its logs from the archive into its topic.

One pass gives every log its turn; a log that cannot go on (a gap, another owner, an unsuited successor) does not stop
the others, and its error is raised when the drain ends. An outage of Kafka or of the store ends a bounded drain with
that error; with `follow` it is waited for, without end or to the deadline, where it is raised if it still lasts.
"""

from __future__ import annotations

import logging
import socket
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from spool.alarm import AlarmSink, LogOnlyAlarms
from spool.archive.archive import Archive
from spool.clock import Deadline, boottime_ns
from spool.errors import KafkaUnavailable, NotOwner, SpoolError, TerminalError, TransientError
from spool.kafka.topics import prepare
from spool.kafka.transactional_producer import TRANSACTION_TIMEOUT_S, TransactionTimedOut
from spool.replay.archive_source import READ_AHEAD, ArchiveSource
from spool.replay.checkpoint import Checkpoint, CheckpointKey, CheckpointReader
from spool.replay.log_replay import LogReplay, Surroundings
from spool.replay.plan import PlanRow, plan
from spool.replay.predecessor import waits_for
from spool.settings import Settings, StreamSettings
from spool.store.object_store import ObjectStore

LOGGER = logging.getLogger(__name__)

# A log's turn within a pass: long enough for large transactions, short enough that no log of the stream starves.
TURN_TRANSACTIONS = 20
LOGS_EVERY_S = 30.0
# With nothing to do: first look soon, then less often; 2 s is the most an event waits for a look.
IDLE_S = (0.1, 0.25, 0.5, 1.0, 2.0)
# With Kafka or the store away.
OUTAGE_S = (0.5, 1.0, 2.0, 5.0)
# Rule 28: waiting longer than this for a predecessor is an alarm.
WAITS_ALARM_S = 600.0


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
        self._store = store
        self._archive = Archive(store, settings.root)
        self._kafka = kafka
        self._alarms = alarms or LogOnlyAlarms()
        self._instance = instance or new_instance()
        self._transaction_timeout_s = transaction_timeout_s
        self._readers = ThreadPoolExecutor(READ_AHEAD, thread_name_prefix="archive")
        self._logs: dict[str, LogReplay] = {}
        self._around: Surroundings | None = None
        self._listed = Deadline(0)
        self._errors: dict[str, SpoolError] = {}
        self._waiting: dict[str, int] = {}

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
        are sent whole. dry_run: only the plan. Raises the most serious error of its logs when it ends.
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
        summary.waiting = {name: str(error) for name, error in self._errors.items()}
        self._raise_errors()
        return summary

    def plan(self) -> list[PlanRow]:
        """What a drain would send now, a row a log. Claims and changes nothing."""
        checkpoints = self._checkpoint_reader().read_all()
        return plan(self._archive, self._stream, checkpoints, self._stream.topic)

    def close(self) -> None:
        """Release every log that was claimed."""
        for log in self._logs.values():
            log.release()
        self._logs.clear()
        self._around = None
        self._listed = Deadline(0)

    def _forget_logs(self) -> None:
        """After an outage everything is looked up anew: also the cluster, which may be another one now."""
        for log in self._logs.values():
            log.drop()
        self._logs.clear()
        self._around = None

    def _passes(
        self, summary: ReplaySummary, max_events: int | None, deadline: Deadline, follow: bool, stop: threading.Event
    ) -> None:
        idle = outage = 0
        while not (deadline.expired or stop.is_set()):
            try:
                sent = self._one_pass(summary, max_events, deadline, stop)
            except TransientError as error:
                if not follow:
                    raise
                LOGGER.warning("stream=%s waiting: %s", self._stream.name, error)
                self._forget_logs()
                stop.wait(min(OUTAGE_S[min(outage, len(OUTAGE_S) - 1)], deadline.remaining_s))
                if deadline.expired:
                    raise
                outage += 1
                continue
            outage = 0
            if max_events is not None and summary.events >= max_events:
                return
            if sent:
                idle = 0
                continue
            if not follow:
                return
            stop.wait(min(IDLE_S[min(idle, len(IDLE_S) - 1)], deadline.remaining_s))
            idle += 1

    def _one_pass(
        self, summary: ReplaySummary, max_events: int | None, deadline: Deadline, stop: threading.Event
    ) -> bool:
        """Every log's turn; whether anything was sent. Raises TransientError: the outage concerns all logs."""
        self._find_logs()
        before = summary.events + summary.dead_letters
        slept = False
        for log in list(self._logs.values()):
            try:
                self._turn(log, summary, max_events, deadline, stop)
                self._errors.pop(log.name, None)
            except NotOwner as error:
                self._errors[log.name] = error
            except TerminalError as error:
                if log.name not in self._errors:
                    LOGGER.warning("log=%s stops: %s (%s)", log.name, error, error.hint)
                self._errors[log.name] = error
                log.drop()
            except TransactionTimedOut as error:
                # This process slept, or its host did: not an outage. What was delivered shows with the next claim.
                LOGGER.warning("log=%s: %s", log.name, error)
                log.drop()
                slept = True
            except TransientError:
                log.drop()
                raise
            if deadline.expired or stop.is_set():
                break
        return slept or summary.events + summary.dead_letters > before

    def _turn(
        self, log: LogReplay, summary: ReplaySummary, max_events: int | None, deadline: Deadline, stop: threading.Event
    ) -> None:
        for _ in range(TURN_TRANSACTIONS):
            if deadline.expired or stop.is_set() or (max_events is not None and summary.events >= max_events):
                return
            done = log.advance(None if max_events is None else max_events - summary.events)
            if done is None:
                return
            summary.events += done.events
            summary.transactions += 1
            summary.batches_laid_out_anew += done.laid_out_anew
            summary.dead_letters += done.dead_letters
            summary.longest_delay_ms = max(summary.longest_delay_ms, done.delay_ms)

    def _find_logs(self) -> None:
        """The stream's logs, those of new hosts too; a successor only when its predecessor is delivered (rule 28)."""
        if self._around is not None and not self._listed.expired:
            return
        if self._around is None:
            self._around = self._surroundings()
        self._listed = Deadline.after(LOGS_EVERY_S)
        checkpoints = self._around.checkpoints.read_all(decided=True)
        for name in self._archive.logs(self._stream.name):
            if name.log in self._logs:
                continue
            checkpoint = self._checkpoint_of(checkpoints, name.log)
            held_up = waits_for(self._archive, name, checkpoint, lambda log: self._checkpoint_of(checkpoints, log))
            if held_up is not None:
                self._listed = Deadline.after(1.0)
                self._note_waiting(name.log, held_up)
                continue
            if self._waiting.pop(name.log, None) is not None:
                self._alarms.close("successor_waits", f"{self._stream.name}/{name.log}")
            source = ArchiveSource(self._archive, name, self._readers)
            log = LogReplay(self._around, name.log, source)
            log.look(checkpoint)
            self._logs[name.log] = log

    def _note_waiting(self, log: str, predecessor: str) -> None:
        """A successor that waits for long is an alarm: its predecessor's host may be gone for good."""
        since = self._waiting.setdefault(log, boottime_ns())
        LOGGER.info("log=%s waits for its predecessor %s", log, predecessor)
        if boottime_ns() - since > WAITS_ALARM_S * 1e9:
            subject = f"{self._stream.name}/{log}"
            self._alarms.open("successor_waits", subject, f"log {predecessor} is not delivered to its end")

    def _surroundings(self) -> Surroundings:
        cluster = prepare(self._kafka, self._settings, self._stream)
        return Surroundings(
            self._settings, self._stream.name, self._store, self._kafka, cluster, self._checkpoint_reader(),
            self._alarms, self._instance, self._transaction_timeout_s,
        )  # fmt: skip

    def _checkpoint_reader(self) -> CheckpointReader:
        return CheckpointReader(
            self._kafka,
            self._settings.checkpoint_topic,
            self._settings.checkpoint_partitions,
            timeout_s=self._transaction_timeout_s + 10,
        )

    def _checkpoint_of(self, checkpoints: Mapping[bytes, Checkpoint], log: str) -> Checkpoint | None:
        return checkpoints.get(CheckpointKey(self._stream.topic, self._stream.name, log).encode())

    def _raise_errors(self) -> None:
        """The one that needs a person before the one that waits by itself."""
        if self._errors:
            raise min(self._errors.values(), key=lambda error: isinstance(error, NotOwner))
