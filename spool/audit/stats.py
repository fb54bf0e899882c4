"""How far each log is in each room: the figures of spool/metrics.py, a row a log. A room that is away gives None."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spool import metrics
from spool.alarm import Alarm
from spool.archive.archive import Archive
from spool.errors import SpoolError
from spool.format.segment_index import ArchivedSegment
from spool.log.folder import LogFolder, log_folders, segment_files
from spool.log.lock_file import read_state_of
from spool.log.shipped import read_shipped
from spool.names import LogName
from spool.replay.checkpoint import Checkpoint, CheckpointKey, CheckpointReader, Checkpoints
from spool.settings import Settings
from spool.store.object_store import ObjectStore

LOGGER = logging.getLogger(__name__)

Row = dict[str, Any]


def stats(
    settings: Settings,
    folder: Path,
    store: ObjectStore | None,
    kafka: Mapping[str, str] | None,
    alarms: list[Alarm],
    *,
    stream: str | None = None,
) -> list[Row]:
    """Rows of {"stream", "log", ...every metric}. Reads only; an unreachable neighbour is logged and leaves None."""
    local = {(log.stream, log.log): log for log in log_folders(folder) if stream in (None, log.stream)}
    archive = None if store is None else Archive(store, settings.root)
    archived = _archived_logs(archive, stream)
    checkpoints = _checkpoints(settings, kafka)
    names = sorted({*local, *archived})
    return [
        _row(settings, folder, archive, LogName(*name), local.get(name), name in archived, checkpoints, alarms)
        for name in names
        if name[0] in settings.streams
    ]


def _row(
    settings: Settings,
    folder: Path,
    archive: Archive | None,
    name: LogName,
    local: LogFolder | None,
    is_archived: bool,
    checkpoints: Checkpoints | None,
    alarms: list[Alarm],
) -> Row:
    stream, log = name
    row: Row = {"stream": stream, "log": log, **dict.fromkeys(metrics.NAMES)}
    if local is not None:
        row |= _local(local)
    checkpoint, delivered = _delivered(checkpoints, CheckpointKey(settings.stream(stream).topic, stream, log))
    row |= delivered
    if archive is not None:
        row |= _archive(archive, name, checkpoint) if is_archived else {"archived": 0, "archived_objects": 0}
    if row["archived"] is not None and row["delivered"] is not None:
        row["waiting"] = max(0, row["archived"] - row["delivered"])
    if folder.exists():
        disk = os.statvfs(folder)
        row["folder_free_bytes"] = disk.f_bavail * disk.f_frsize
    row["alarms"] = sum(alarm.subject == f"{stream}/{log}" and not alarm.closed_ms for alarm in alarms)
    return row


def _delivered(checkpoints: Checkpoints | None, key: CheckpointKey) -> tuple[Checkpoint | None, Row]:
    if checkpoints is None:
        return None, {}
    try:
        checkpoint = checkpoints.of(key)
    except SpoolError as error:
        LOGGER.warning("%s", error)
        return None, {}
    if checkpoint is None:
        return None, {"delivered": 0, "generation": 0}
    return checkpoint, {"delivered": checkpoint.next, "generation": checkpoint.generation}


def _local(log: LogFolder) -> Row:
    state = read_state_of(log.path)
    shipped = read_shipped(log.path).segment
    waiting = sum(file.state == "sealed" and file.segment > shipped for file in segment_files(log.path))
    row: Row = {"sealed_segments": waiting}
    if state is not None:
        row["appended"] = state.next_offset
        row["unsealed"] = state.next_offset - _first_offset(log, state.segment, state.next_offset)
    return row


def _first_offset(log: LogFolder, segment: int, default: int) -> int:
    from spool.format.segment_header import HEADER_BYTES_MAX, decode_segment_header
    from spool.log.folder import open_path

    try:
        with open_path(log.path, segment).open("rb") as file:
            return decode_segment_header(file.read(HEADER_BYTES_MAX), file.name)[0].first_offset
    except (OSError, SpoolError):
        return default


def _archive(archive: Archive, name: LogName, checkpoint: Checkpoint | None) -> Row:
    try:
        floor = archive.floor(name)
        newest = _newest(archive, name, checkpoint.segment if checkpoint else floor.segment)
        if newest is None:
            return {"archived": checkpoint.next if checkpoint else 0, "archived_objects": 0}
        row: Row = {"archived": newest.next_offset, "archived_objects": newest.segment + 1 - floor.segment}
        if checkpoint is None or checkpoint.next < newest.next_offset:
            start = checkpoint.segment if checkpoint else floor.segment
            row["oldest_waiting_s"] = _age_s(archive.index(name, start))
    except SpoolError as error:
        LOGGER.warning("archive of %s: %s", name, error)
        return {}
    return row


def _newest(archive: Archive, name: LogName, start: int) -> ArchivedSegment | None:
    numbers = deque(archive.segments(name, max(0, start - 1)), maxlen=1)
    return archive.index(name, numbers[0]) if numbers else None


def _age_s(segment: ArchivedSegment) -> float | None:
    times = [chunk.min_time_ms for chunk in segment.chunks if chunk.event_count]
    return round(max(0.0, time.time() - min(times) / 1000), 1) if times else None


def _archived_logs(archive: Archive | None, stream: str | None) -> set[tuple[str, str]]:
    if archive is None:
        return set()
    try:
        return {*archive.logs(stream)}
    except SpoolError as error:
        LOGGER.warning("the archive: %s", error)
        return set()


def _checkpoints(settings: Settings, kafka: Mapping[str, str] | None) -> Checkpoints | None:
    if kafka is None:
        return None
    try:
        return CheckpointReader(
            kafka, settings.checkpoint_topic, settings.checkpoint_partitions, timeout_s=15
        ).read_all()
    except SpoolError as error:
        LOGGER.warning("the checkpoints: %s", error)
        return None
