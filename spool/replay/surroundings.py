"""What all logs of a stream share while they are replayed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.kafka.topics import Cluster
from spool.names import LogName
from spool.replay.agreement import TopicLedger
from spool.replay.checkpoint import CheckpointKey, CheckpointReader
from spool.settings import Settings


class Surroundings(NamedTuple):
    """
    instance               who replays, for other instances to see
    transaction_timeout_s  seconds after which the broker ends a transaction; a log's pace may double it
    """

    settings: Settings
    stream: str
    archive: Archive
    kafka: Mapping[str, str]
    cluster: Cluster
    checkpoints: CheckpointReader
    ledger: TopicLedger
    alarms: AlarmSink
    instance: str
    transaction_timeout_s: float

    def key(self, log: str) -> CheckpointKey:
        """What the checkpoint of a log of this stream belongs to."""
        return CheckpointKey(self.cluster.target.name, self.stream, log)

    def subject(self, log: str) -> str:
        """The log's name in alarms, errors and messages."""
        return str(LogName(self.stream, log))
