"""How far each log is in each room: one row with the figures of spool/metrics.py. A room that is away gives None."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

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
from spool.status.rows import LogRow
from spool.store.object_store import ObjectStore

LOGGER = logging.getLogger(__name__)

# Some of the figures of a row, by their names.
Figures = dict[str, Any]


class Stats(NamedTuple):
    """A row for each log; a sentence for each neighbour, or log, that gave no figures."""

    rows: list[LogRow]
    troubles: list[str]


def stats(
    settings: Settings,
    folder: Path,
    store: ObjectStore | None,
    kafka: Mapping[str, str] | None,
    alarms: list[Alarm],
    *,
    stream: str | None = None,
) -> Stats:
    """How far every log is. Reads only; what an unreachable neighbour knows is None."""
    return _Rooms(settings, folder, store, kafka, alarms).stats(stream)


class _Rooms:
    """The rooms that are asked, and what went wrong with them."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        store: ObjectStore | None,
        kafka: Mapping[str, str] | None,
        alarms: list[Alarm],
    ) -> None:
        self._settings, self._folder, self._alarms = settings, folder, alarms
        self._archive = None if store is None else Archive(store, settings.root)
        self._kafka = kafka
        self._troubles: list[str] = []

    def stats(self, stream: str | None) -> Stats:
        local = {LogName(log.stream, log.log): log for log in log_folders(self._folder) if stream in (None, log.stream)}
        archived = self._archived_logs(stream)
        checkpoints = self._checkpoints()
        rows = [
            self._row(name, local.get(name), checkpoints, None if archived is None else name in archived)
            for name in sorted({*local, *(archived or ())})
            if name.stream in self._settings.streams
        ]
        return Stats(rows, self._troubles)

    def _row(
        self, name: LogName, local: LogFolder | None, checkpoints: Checkpoints | None, is_archived: bool | None
    ) -> LogRow:
        """`is_archived` is None where the archive could not be asked."""
        figures: Figures = {} if local is None else _local(local)
        key = CheckpointKey(self._settings.stream(name.stream).topic, *name)
        checkpoint, delivered = self._delivered(checkpoints, key)
        figures |= delivered
        if is_archived is not None:
            figures |= self._archived(name, checkpoint) if is_archived else {"archived": 0, "archived_objects": 0}
        if figures.get("archived") is not None and figures.get("delivered") is not None:
            figures["waiting"] = max(0, figures["archived"] - figures["delivered"])
        if self._folder.exists():
            disk = os.statvfs(self._folder)
            figures["folder_free_bytes"] = disk.f_bavail * disk.f_frsize
        figures["alarms"] = sum(alarm.subject == str(name) and not alarm.closed_ms for alarm in self._alarms)
        return LogRow(*name, **figures)

    def _archived(self, name: LogName, checkpoint: Checkpoint | None) -> Figures:
        assert self._archive is not None, "the log was found there"
        try:
            return _archived(self._archive, name, checkpoint)
        except SpoolError as error:
            self._note(f"archive of {name}", error)
            return {}

    def _delivered(self, checkpoints: Checkpoints | None, key: CheckpointKey) -> tuple[Checkpoint | None, Figures]:
        if checkpoints is None:
            return None, {}
        try:
            checkpoint = checkpoints.of(key)
        except SpoolError as error:
            self._note("checkpoint", error)
            return None, {}
        if checkpoint is None:
            return None, {"delivered": 0, "generation": 0}
        return checkpoint, {"delivered": checkpoint.next, "generation": checkpoint.generation}

    def _archived_logs(self, stream: str | None) -> set[LogName] | None:
        if self._archive is None:
            return None
        try:
            return {*self._archive.logs(stream)}
        except SpoolError as error:
            self._note("archive", error)
            return None

    def _checkpoints(self) -> Checkpoints | None:
        if self._kafka is None:
            return None
        settings = self._settings
        try:
            return CheckpointReader(
                self._kafka, settings.checkpoint_topic, settings.checkpoint_partitions, timeout_s=15
            ).read_all()
        except SpoolError as error:
            self._note("checkpoints", error)
            return None

    def _note(self, what: str, error: SpoolError) -> None:
        LOGGER.warning("%s: %s", what, error)
        self._troubles.append(f"{what}: {type(error).__name__}: {error}")


def _local(log: LogFolder) -> Figures:
    state = read_state_of(log.path)
    shipped = read_shipped(log.path).segment
    waiting = sum(file.state == "sealed" and file.segment > shipped for file in segment_files(log.path))
    figures: Figures = {"sealed_segments": waiting}
    if state is not None:
        figures["appended"] = state.next_offset
        figures["unsealed"] = state.next_offset - _first_offset(log, state.segment, state.next_offset)
    return figures


def _first_offset(log: LogFolder, segment: int, default: int) -> int:
    from spool.format.segment_header import HEADER_BYTES_MAX, decode_segment_header
    from spool.log.folder import open_path

    try:
        with open_path(log.path, segment).open("rb") as file:
            return decode_segment_header(file.read(HEADER_BYTES_MAX), file.name)[0].first_offset
    except (OSError, SpoolError):
        return default


def _archived(archive: Archive, name: LogName, checkpoint: Checkpoint | None) -> Figures:
    floor = archive.floor(name)
    start = checkpoint.segment if checkpoint else floor.segment
    newest = _newest(archive, name, start)
    if newest is None:
        return {"archived": checkpoint.next if checkpoint else 0, "archived_objects": 0}
    figures: Figures = {"archived": newest.next_offset, "archived_objects": newest.segment + 1 - floor.segment}
    if checkpoint is None or checkpoint.next < newest.next_offset:
        figures["oldest_waiting_s"] = _age_s(archive.index(name, start))
    return figures


def _newest(archive: Archive, name: LogName, start: int) -> ArchivedSegment | None:
    numbers = deque(archive.segments(name, max(0, start - 1)), maxlen=1)
    return archive.index(name, numbers[0]) if numbers else None


def _age_s(segment: ArchivedSegment) -> float | None:
    times = [chunk.min_time_ms for chunk in segment.chunks if chunk.event_count]
    return round(max(0.0, time.time() - min(times) / 1000), 1) if times else None
