"""
Proof that Kafka has what the archive holds. Compares positions, nothing else (rule 30).

    1. checkpoints: what has to be there
    2. the end of the deliveries topic, then the topic's id and watermarks: replay continues meanwhile, and a delivery
       noted below an end that was taken later than the watermarks may be beyond them
    3. archive: which offsets there are
    4. fast: the deliveries topic, added up  full: every committed record too, read until the watermarks are passed
    5. per log: archive - holes - skipped, up to the checkpoint, against what was seen

A position that the topic's retention has removed is expired, not missing. A log that cannot be compared, for a damaged
note or object of its own, is red by itself; the others are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from spool.alarm import AlarmSink, LogOnlyAlarms
from spool.archive.archive import Archive
from spool.audit.delivered import TopicNow
from spool.audit.log_evidence import LogEvidence
from spool.audit.topic_evidence import DeliveriesReading, add_records
from spool.audit.verify_report import VerifyReport, VerifyRow
from spool.errors import SpoolError, TransientError
from spool.kafka.topic_reader import partitions_of
from spool.kafka.topics import topic_id_of
from spool.names import LogName
from spool.replay.checkpoint import CheckpointKey, CheckpointReader, Checkpoints
from spool.settings import Settings, StreamSettings
from spool.store.object_store import ObjectStore

T = TypeVar("T")


def verify(
    settings: Settings,
    stream: StreamSettings,
    store: ObjectStore,
    kafka: Mapping[str, str],
    *,
    full: bool = False,
    alarms: AlarmSink | None = None,
) -> VerifyReport:
    """
    Look and count. An alarm per log opens on a difference, closes without. Raises only where it cannot look: at a log
    alone after all others were compared.
    """
    return _Verification(settings, stream, Archive(store, settings.root), kafka, alarms or LogOnlyAlarms()).run(full)


class _Verification:
    """One run over one stream."""

    def __init__(
        self, settings: Settings, stream: StreamSettings, archive: Archive, kafka: Mapping[str, str], alarms: AlarmSink
    ) -> None:
        self._settings = settings
        self._stream = stream
        self._archive = archive
        self._kafka = kafka
        self._alarms = alarms
        self._unreachable: TransientError | None = None

    def run(self, full: bool) -> VerifyReport:
        settings, topic = self._settings, self._stream.topic
        checkpoints = CheckpointReader(
            self._kafka, settings.checkpoint_topic, settings.checkpoint_partitions
        ).read_all()
        notes_end = partitions_of(self._kafka, settings.deliveries_topic)
        now = TopicNow(topic_id_of(self._kafka, topic), partitions_of(self._kafka, topic))
        names = self._archive.logs(self._stream.name)
        begun = {name: self._guarded(partial(self._begin, name, checkpoints, now)) for name in names}
        logs = {name.log: log_evidence for name, log_evidence in begun.items() if isinstance(log_evidence, LogEvidence)}
        reading = DeliveriesReading(topic, self._stream.name, checkpoints, now, logs)
        reading.read(self._kafka, settings.deliveries_topic, notes_end)
        foreign = add_records(self._kafka, topic, now.ends, logs) if full else 0
        rows = tuple(self._row(name, log_evidence, full) for name, log_evidence in begun.items())
        for row in rows:
            self._alarm(row)
        if self._unreachable is not None:
            raise self._unreachable
        return VerifyReport(self._stream.name, full, rows, foreign)

    def _begin(self, name: LogName, checkpoints: Checkpoints, now: TopicNow) -> LogEvidence:
        checkpoint = checkpoints.of(CheckpointKey(self._stream.topic, *name))
        return LogEvidence(self._archive, name, self._stream.topic, checkpoint, now)

    def _row(self, name: LogName, begun: LogEvidence | SpoolError, full: bool) -> VerifyRow:
        row = begun if isinstance(begun, SpoolError) else self._guarded(partial(begun.row, full=full))
        return row if isinstance(row, VerifyRow) else VerifyRow(*name, error=f"{type(row).__name__}: {row}")

    def _guarded(self, work: Callable[[], T]) -> T | SpoolError:
        """What `work` gives for one log, or its error: one that passes by itself is raised when the others are done."""
        try:
            return work()
        except SpoolError as error:
            if isinstance(error, TransientError) and self._unreachable is None:
                self._unreachable = error
            return error

    def _alarm(self, row: VerifyRow) -> None:
        subject = str(LogName(row.stream, row.log))
        if row.is_green:
            self._alarms.close("verify_failed", subject)
        elif self._unreachable is None or not row.error.startswith(type(self._unreachable).__name__):
            self._alarms.open("verify_failed", subject, row.evidence)
