"""A host with a spool folder: appends, seals, ships; and what of it is in the archive."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from spool.archive.archive import Archive
from spool.clock import Deadline
from spool.disk import Disk
from spool.event import Event, OffsetRange
from spool.format.relayout import archived_records
from spool.log.folder import LogFolder, segment_files
from spool.log.identity import read_identity, write_identity
from spool.log.stream_log import StreamLog
from spool.names import LogName
from spool.settings import Settings, StreamSettings
from spool.shipping.shipper import Shipper, ShipSummary
from spool.store.object_store import ObjectStore
from tests.fakes.recorded_alarms import RecordedAlarms

ROOT = "r"


class Archived(NamedTuple):
    log: str
    offset: int
    group: tuple[int, int]
    value: bytes
    moved_from: str


def settings(**stream: object) -> Settings:
    events = StreamSettings("events", "events", **{"partitions": 3, "seal_gap_s": 0.001, **stream})  # type: ignore[arg-type]
    return Settings(ROOT, "checkpoints", 1, "deliveries", 1, {"events": events})


class SpoolHost:
    def __init__(self, folder: Path, store: ObjectStore, known: Settings | None = None) -> None:
        self.folder = folder
        self.store = store
        self.settings = known or settings()
        self.alarms = RecordedAlarms()
        self._log: StreamLog | None = None

    @property
    def log(self) -> StreamLog:
        if self._log is None:
            self._log = StreamLog.open(self.folder, self.settings.stream("events"), alarms=self.alarms)
        return self._log

    @property
    def name(self) -> LogName:
        return LogName("events", self.log.id)

    @property
    def archive(self) -> Archive:
        return Archive(self.store, ROOT)

    @property
    def log_folder(self) -> LogFolder:
        return LogFolder("events", self.log.id, self.log.path)

    def append(self, *values: str, group: bool = False) -> tuple[str, tuple[OffsetRange, ...]]:
        events = [
            Event(value.encode(), key=value.encode(), time_ms=1_700_000_000_000 + n) for n, value in enumerate(values)
        ]
        return self.log.append(events, group=group, deadline=Deadline.after(10))

    def append_segments(self, name: str, count: int, events: int = 5) -> None:
        for segment in range(count):
            self.append(*(f"{name}{segment}-{n}" for n in range(events)))
            self.log.seal()

    def shipper(self) -> Shipper:
        return Shipper(self.folder, self.settings, self.store, self.alarms)

    def ship(self, **options: bool) -> ShipSummary:
        return self.shipper().ship_once(**options)

    def files(self) -> list[str]:
        return [file.path.name for file in segment_files(self.log.path)]

    def snapshot(self, to: Path, *, detected: bool) -> SpoolHost:
        """Another host with a copy of this folder; `detected` is false where its identity does not give it away."""
        shutil.copytree(self.folder, to)
        if not detected:
            for log in to.glob("*/*/log.json"):
                identity = read_identity(log.parent)
                write_identity(log.parent, Disk(), identity._replace(inode=log.parent.stat().st_ino))
        return SpoolHost(to, self.store, self.settings)


def archived(store: ObjectStore) -> list[Archived]:
    """Every event of the archive, by log and offset; objects pass their checks, numbers are dense from the floor."""
    found = []
    archive = Archive(store, ROOT)
    for name in archive.logs():
        numbers = list(archive.segments(name))
        begin = archive.floor(name).segment
        assert numbers == list(range(begin, begin + len(numbers)))
        at: int | None = None
        for number in numbers:
            segment = archive.read(name, number)
            assert at in (None, segment.first_offset)
            at = segment.next_offset
            for chunk in segment.chunks:
                for position, record in archived_records(chunk):
                    moved = dict(record.headers).get("spool_moved") or b""
                    group = (position.group_first, position.group_size)
                    found.append(Archived(name.log, position.offset, group, record.value or b"", moved.decode()))
    return sorted(found)


def values(store: ObjectStore) -> list[str]:
    """The payloads of all archived events, in no particular order over logs; twice if an event is there twice."""
    return sorted(one.value.decode() for one in archived(store))


def numbered(name: str, segments: int, events: int = 5) -> list[str]:
    """What `append_segments` appended."""
    return sorted(f"{name}{segment}-{n}" for segment in range(segments) for n in range(events))
