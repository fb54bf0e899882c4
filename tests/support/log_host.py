"""A log on the real disk, for tests that append, damage and read back."""

from __future__ import annotations

from pathlib import Path

from spool.alarm import AlarmSink
from spool.clock import Deadline
from spool.disk import Disk
from spool.event import Event, OffsetRange
from spool.format import record_batch
from spool.log.folder import LogFolder, SegmentFile, log_folders, segment_files
from spool.log.reader import tail
from spool.log.stream_log import StreamLog
from spool.settings import StreamSettings
from tests.fakes.recorded_alarms import RecordedAlarms

STREAM = StreamSettings(name="events", topic="events", acknowledgement="disk", persistent=True)
TIME_MS = 1_700_000_000_000


def open_log(folder: Path, *, disk: Disk | None = None, alarms: AlarmSink | None = None, **stream: object) -> StreamLog:
    settings = StreamSettings(**{**STREAM.__dict__, **stream})  # type: ignore[arg-type]
    return StreamLog.open(folder, settings, alarms=alarms or RecordedAlarms(), disk=disk)


def append(log: StreamLog, *texts: str, group: bool = False, timeout_s: float = 10) -> tuple[OffsetRange, ...]:
    events = [Event(text.encode(), key=b"k", id=text, source="s", time_ms=TIME_MS) for text in texts]
    return log.append(events, group=group, deadline=Deadline.after(timeout_s))[1]


def read(folder: Path) -> dict[int, str]:
    """Every readable event of the folder's one log, by offset."""
    (log,) = log_folders(folder)
    return read_log(log)


def read_log(log: LogFolder) -> dict[int, str]:
    found: dict[int, str] = {}
    for commit in tail(log):
        for record in record_batch.records(commit.frame):
            assert record.offset not in found, "two events at one offset"
            found[record.offset] = (record.value or b"").decode()
    return found


def open_segment(folder: Path) -> SegmentFile:
    (log,) = log_folders(folder)
    file = segment_files(log.path)[-1]
    assert file.state == "open"
    return file
