"""
The names of everything in a spool folder.

    <folder>/_reserve                             16 MB that sealing and recovery may use on a full disk
    <folder>/_alarms/                             alarms, while the object store is away
    <folder>/<stream>/stream.lock                 held while a log is created or chosen
    <folder>/<stream>/<log>/log.json              whose log this is
    <folder>/<stream>/<log>/lock                  held while appending; says how far the log is synced
    <folder>/<stream>/<log>/<segment>.open        the segment that is written
    <folder>/<stream>/<log>/<segment>.sealed      whole segments, to be shipped
    <folder>/<stream>/<log>/<segment>.torn-<byte> what recovery cut off, kept
    <folder>/<stream>/<log>/shipped               how far the object store has the log
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

from spool.event import NAME
from spool.names import LogName

_SEGMENT = re.compile(r"(\d{12})\.(open|sealed)\Z")


class LogFolder(NamedTuple):
    """One log of a spool folder."""

    stream: str
    log: str
    path: Path

    @property
    def name(self) -> LogName:
        return LogName(self.stream, self.log)


class SegmentFile(NamedTuple):
    """One segment of a log."""

    path: Path
    segment: int
    state: Literal["open", "sealed"]


def log_folders(folder: Path) -> list[LogFolder]:
    """All logs with a log.json, by stream and id. A folder that does not exist holds none."""
    if not folder.is_dir():
        return []
    identity_files = folder.glob("*/*/log.json")
    return sorted(
        LogFolder(path.parent.parent.name, path.parent.name, path.parent)
        for path in identity_files
        if NAME.match(path.parent.name) and NAME.match(path.parent.parent.name)
    )


def segment_files(log_path: Path) -> list[SegmentFile]:
    """The segments of a log in order; `sealed` wins where a crash left both names of one number."""
    segments: dict[int, SegmentFile] = {}
    for path in log_path.iterdir():
        if match := _SEGMENT.match(path.name):
            number = int(match[1])
            if number not in segments or match[2] == "sealed":
                segments[number] = SegmentFile(path, number, "open" if match[2] == "open" else "sealed")
    return [segments[number] for number in sorted(segments)]


def open_path(log_path: Path, segment: int) -> Path:
    return log_path / f"{segment:012d}.open"


def sealed_path(log_path: Path, segment: int) -> Path:
    return log_path / f"{segment:012d}.sealed"
