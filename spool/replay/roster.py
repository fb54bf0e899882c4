"""
Which logs of a stream are replayed now: found in the archive, compared with Kafka, held back behind a predecessor.

Every listing compares all logs of the topic with it, the idle ones too, so that a topic that was created again is
noticed before anything is sent into it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from spool.clock import Deadline, boottime_ns
from spool.kafka.topics import topic_id_of
from spool.names import LogName
from spool.replay.agreement import is_another_topic
from spool.replay.archive_source import ArchiveSource
from spool.replay.checkpoint import CheckpointKey, Checkpoints
from spool.replay.claim import kafka_replaced
from spool.replay.log_replay import LogReplay
from spool.replay.predecessor import Wait, waits_for
from spool.replay.standing import Standings, guarded
from spool.replay.surroundings import Surroundings

LOGGER = logging.getLogger(__name__)

LOGS_EVERY_S = 30.0
# While a log waits, or could not be looked at.
_SOON_S = 1.0
# Rule 28: waiting longer than this for a predecessor is an alarm.
WAITS_ALARM_S = 600.0

Passing = Callable[[Exception], None]


class Roster:
    """
    One stream's. Made by the first look, dropped with every outage: the cluster may be another one afterwards.

    passing  called with each log's error first; raises where it concerns all logs
    """

    def __init__(
        self, around: Surroundings, standings: Standings, readers: ThreadPoolExecutor, passing: Passing
    ) -> None:
        self._around = around
        self._standings = standings
        self._readers = readers
        self._passing = passing
        self.logs: dict[str, LogReplay] = {}
        self._listed = Deadline(0)
        self._waiting_since: dict[str, int] = {}

    @property
    def is_due(self) -> bool:
        return self._listed.expired

    def is_of_another_topic(self) -> bool:
        """Whether the topic was created again since this roster was made."""
        target = self._around.cluster.target
        return is_another_topic(target.topic_id, topic_id_of(self._around.kafka, target.name))

    def look(self) -> None:
        """List the archive; add what is new; stop what Kafka contradicts. Errors of one log stay with that log."""
        around = self._around
        self._listed = Deadline.after(LOGS_EVERY_S)
        checkpoints = around.checkpoints.read_all(decided=True)
        contradictions = around.ledger.look(checkpoints)
        self._alarm_other_streams(contradictions)
        for name in around.archive.logs(around.stream):
            contradiction = contradictions.get(around.key(name.log), "")
            if contradiction:
                self._stop(name.log, contradiction)
            elif name.log not in self.logs and self._standings.of(name.log).retry_at.expired:
                add = partial(self._add, name.log, checkpoints)
                done = guarded(self._standings, name.log, add, self._passing)
                if not done:
                    self._listed = Deadline.after(_SOON_S)
            elif name.log not in self.logs:
                self._listed = Deadline.after(_SOON_S)

    def drop(self) -> None:
        """Give every producer up, asking Kafka for nothing."""
        for log in self.logs.values():
            log.drop()
        self.logs.clear()

    def release(self) -> None:
        """Give every log up, so that the next instance need not wait."""
        for log in self.logs.values():
            log.release()
        self.logs.clear()

    def _stop(self, log: str, contradiction: str) -> None:
        if replay := self.logs.pop(log, None):
            replay.drop()
        self._standings.failed(log, kafka_replaced(self._around, log, contradiction))

    def _alarm_other_streams(self, contradictions: dict[CheckpointKey, str]) -> None:
        for key, what in contradictions.items():
            if key.stream != self._around.stream:
                self._around.alarms.open("kafka_replaced", str(LogName(key.stream, key.log)), what)

    def _add(self, log: str, checkpoints: Checkpoints) -> None:
        around = self._around
        checkpoint = checkpoints.of(around.key(log))
        name = LogName(around.stream, log)
        wait = waits_for(around.archive, name, checkpoint, lambda other: checkpoints.of(around.key(other)))
        if wait is not None:
            self._listed = Deadline.after(_SOON_S)
            self._note_waiting(log, wait)
            return
        self._standings.waiting.pop(log, None)
        around.alarms.close("successor_waits", around.subject(log))
        source = ArchiveSource(around.archive, name, self._readers)
        replay = LogReplay(around, log, source, self._standings.of(log).pace)
        replay.look(checkpoint)
        self.logs[log] = replay

    def _note_waiting(self, log: str, wait: Wait) -> None:
        """A successor that waits for long is an alarm: its predecessor's host may be gone for good."""
        began_ns = self._waiting_since.setdefault(log, boottime_ns())
        if log not in self._standings.waiting:
            LOGGER.info("log=%s waits for its predecessor %s", log, wait.log)
        self._standings.waiting[log] = f"waits for its predecessor {wait.log}"
        if max(wait.since_s, (boottime_ns() - began_ns) / 1e9) > WAITS_ALARM_S:
            self._around.alarms.open(
                "successor_waits", self._around.subject(log), f"log {wait.log} is not delivered to its end"
            )
