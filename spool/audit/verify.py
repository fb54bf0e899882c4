"""
Proof that Kafka has what the archive holds. Compares positions, nothing else (rule 30).

    1. checkpoints: what has to be there     2. watermarks of the topic, taken after them
    3. fast: the deliveries topic, added up  full: every committed record, read until the watermarks are passed
    4. per log: archive - holes - skipped, up to the checkpoint, against what was seen

A position that the topic's retention has removed is expired, not missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from spool.alarm import AlarmSink, LogOnlyAlarms
from spool.archive.archive import Archive
from spool.archive.ranges import ArchivedRange, archived_ranges
from spool.audit.expired import expired_ranges
from spool.audit.seen import Range, SeenLog, overlap, size, without
from spool.errors import VerifyFailed
from spool.event import SPOOL_HEADER
from spool.format.position_header import decode_archived
from spool.kafka.topic_reader import partitions_of, read_committed
from spool.kafka.watermarks import Watermarks
from spool.names import LogName
from spool.replay.checkpoint import Checkpoint, CheckpointKey, CheckpointReader
from spool.replay.deliveries import Delivery, decode_delivery
from spool.settings import Settings, StreamSettings
from spool.store.object_store import ObjectStore


class VerifyRow(NamedTuple):
    """
    One log; counts of events.

    archived      in the object store, holes not counted
    delivered     of these, seen in Kafka (fast: noted as delivered)
    waiting       archived and behind the checkpoint: replay has not come there yet
    skipped       dead letters
    holes         offsets without an event, from damage or a forward rewind
    expired       removed by the topic's retention
    missing, doubled, out_of_order, gaps   must be 0
    """

    stream: str
    log: str
    archived: int
    delivered: int
    waiting: int
    skipped: int
    holes: int
    expired: int
    missing: int
    doubled: int
    out_of_order: int
    gaps: int

    @property
    def is_green(self) -> bool:
        return not (self.missing or self.doubled or self.out_of_order or self.gaps)


class VerifyReport(NamedTuple):
    """Rows by log; `foreign` = records in the topic that no spool wrote (full form only)."""

    stream: str
    full: bool
    rows: tuple[VerifyRow, ...]
    foreign: int

    @property
    def is_green(self) -> bool:
        return all(row.is_green for row in self.rows)


class _Evidence(NamedTuple):
    """What Kafka says, whichever form asked."""

    seen: Mapping[str, SeenLog]
    deliveries: Mapping[str, list[Delivery]]
    deliveries_expired: bool
    ends: Mapping[int, Watermarks]
    foreign: int


def verify(
    settings: Settings,
    stream: StreamSettings,
    store: ObjectStore,
    kafka: Mapping[str, str],
    *,
    full: bool = False,
    alarms: AlarmSink | None = None,
) -> VerifyReport:
    """Look and count; raises only when it cannot look. An alarm per log opens on a difference, closes without."""
    reader = CheckpointReader(kafka, settings.checkpoint_topic, settings.checkpoint_partitions)
    checkpoints = reader.read_all()
    archive = Archive(store, settings.root)
    logs = archive.logs(stream.name)
    evidence = _evidence(settings, stream, kafka, full=full)
    rows = tuple(_row(archive, stream, name, checkpoints, evidence, full=full) for name in logs)
    for row in rows:
        _alarm(alarms or LogOnlyAlarms(), row)
    return VerifyReport(stream.name, full, rows, evidence.foreign)


def demand_green(reports: Sequence[VerifyReport]) -> None:
    """VerifyFailed naming each log with a difference."""
    red = [row for report in reports for row in report.rows if not row.is_green]
    if red:
        raise VerifyFailed(
            "; ".join(
                f"{row.stream}/{row.log}: {row.missing} missing, {row.doubled} doubled, "
                f"{row.out_of_order} out of order, {row.gaps} gaps"
                for row in red
            ),
            hint="run `verify --full` for the exact count; docs/alarms.md says what each means",
        )


def _evidence(settings: Settings, stream: StreamSettings, kafka: Mapping[str, str], *, full: bool) -> _Evidence:
    ends = partitions_of(kafka, stream.topic)
    delivery_ends = partitions_of(kafka, settings.deliveries_topic)
    deliveries: dict[str, list[Delivery]] = defaultdict(list)
    for message in read_committed(kafka, settings.deliveries_topic, delivery_ends):
        delivery = decode_delivery(message.value() or b"")
        if (delivery.topic, delivery.stream) == (stream.topic, stream.name):
            deliveries[delivery.log].append(delivery)
    seen: dict[str, SeenLog] = defaultdict(SeenLog)
    foreign = 0
    if full:
        for message in read_committed(kafka, stream.topic, ends):
            header = dict(message.headers() or ()).get(SPOOL_HEADER)
            if not isinstance(header, bytes):
                foreign += 1
                continue
            position = decode_archived(header)
            seen[position.log].add(position.generation, message.partition() or 0, position.offset)
    return _Evidence(seen, deliveries, any(marks.low > 0 for marks in delivery_ends.values()), ends, foreign)


def _row(
    archive: Archive,
    stream: StreamSettings,
    name: LogName,
    checkpoints: Mapping[bytes, Checkpoint],
    evidence: _Evidence,
    *,
    full: bool,
) -> VerifyRow:
    log = name.log
    ranges = archived_ranges(archive, name)
    checkpoint = checkpoints.get(CheckpointKey(stream.topic, stream.name, log).encode())
    until = checkpoint.next if checkpoint else 0
    deliveries = evidence.deliveries.get(log, [])
    holes = [hole for run in ranges for hole in run.holes] + [hole for one in deliveries for hole in one.holes]
    skipped = sorted({offset for one in deliveries for offset in one.skipped})
    expected = without(_below(ranges, until), [*holes, *((offset, offset + 1) for offset in skipped)])
    if full:
        unseen = _unseen(evidence.seen.get(log, SeenLog()), expected)
    else:
        unseen = without(expected, [(one.first_offset, one.next_offset) for one in deliveries])
    expired = expired_ranges(
        archive, name, unseen, deliveries, evidence.ends, ranges,
        deliveries_expired=evidence.deliveries_expired,
    )  # fmt: skip
    missing = size(without(unseen, expired))
    found = evidence.seen.get(log, SeenLog())
    archived = size([(run.first, run.next) for run in ranges]) - sum(run.hole_count for run in ranges)
    return VerifyRow(
        stream=stream.name,
        log=log,
        archived=archived,
        delivered=size(expected) - size(unseen),
        waiting=size(_above(ranges, until)),
        skipped=len(skipped),
        holes=size(holes),
        expired=size(unseen) - missing,
        missing=missing if full else missing + _short(deliveries) + _beyond(deliveries, checkpoint, evidence.ends),
        doubled=found.doubled if full else _doubled(deliveries),
        out_of_order=found.out_of_order,
        gaps=max(0, len(ranges) - 1),
    )


def _below(ranges: Sequence[ArchivedRange], until: int) -> list[Range]:
    return [(run.first, min(run.next, until)) for run in ranges if run.first < until]


def _above(ranges: Sequence[ArchivedRange], until: int) -> list[Range]:
    return [(max(run.first, until), run.next) for run in ranges if run.next > until]


def _unseen(seen: SeenLog, expected: Sequence[Range]) -> list[Range]:
    return [run for first, after in expected for run in seen.unseen(first, after)]


def _doubled(deliveries: Sequence[Delivery]) -> int:
    """Offsets that two deliveries of one generation cover."""
    generations: dict[int, list[Range]] = defaultdict(list)
    for one in deliveries:
        generations[one.generation].append((one.first_offset, one.next_offset))
    return sum(overlap(ranges) for ranges in generations.values())


def _short(deliveries: Sequence[Delivery]) -> int:
    """Events that a delivery's batches do not account for."""
    return sum(
        max(
            0,
            one.next_offset - one.first_offset
            - sum(batch.event_count for batch in one.batches) - len(one.skipped) - size(one.holes),
        )
        for one in deliveries
    )  # fmt: skip


def _beyond(deliveries: Sequence[Delivery], checkpoint: Checkpoint | None, ends: Mapping[int, Watermarks]) -> int:
    """Events noted at places that their partition does not reach: the topic is not the one delivered into."""
    generation = checkpoint.generation if checkpoint else 0
    return sum(
        batch.event_count
        for one in deliveries
        if one.generation == generation
        for batch in one.batches
        if batch.partition not in ends or batch.kafka_offset + batch.event_count > ends[batch.partition].high
    )


def _alarm(alarms: AlarmSink, row: VerifyRow) -> None:
    subject = f"{row.stream}/{row.log}"
    if row.is_green:
        alarms.close("verify_failed", subject)
    else:
        alarms.open("verify_failed", subject, f"missing={row.missing} doubled={row.doubled} gaps={row.gaps}")
