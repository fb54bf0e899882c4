"""Alarms as small files in the spool folder: they are there while the object store is away."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

from spool.alarm import Alarm, AlarmSink
from spool.clock import now_ms
from spool.disk import Disk
from spool.durable_file import write_file

LOGGER = logging.getLogger(__name__)
FOLDER = "_alarms"


class LocalAlarms:
    """An AlarmSink: one file per (condition, subject), replaced atomically. Never fails its caller: it logs instead."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self._folder = folder / FOLDER
        self._disk = disk or Disk()

    def open(self, condition: str, subject: str, evidence: str) -> None:
        stored = self._read(self._path(condition, subject))
        if stored is not None and stored.closed_ms == 0:
            return
        LOGGER.warning("alarm opened condition=%s subject=%s evidence=%s", condition, subject, evidence)
        self._write(Alarm(condition, subject, evidence, now_ms()))

    def close(self, condition: str, subject: str) -> None:
        stored = self._read(self._path(condition, subject))
        if stored is None or stored.closed_ms:
            return
        LOGGER.warning("alarm closed condition=%s subject=%s", condition, subject)
        self._write(stored._replace(closed_ms=now_ms()))

    def note_closed(self, condition: str, subject: str) -> None:
        """Like `close`, also of an alarm that is kept elsewhere: there it is open until this note is carried over."""
        stored = self._read(self._path(condition, subject)) or Alarm(condition, subject, "", 0)
        if not stored.closed_ms:
            self._write(stored._replace(closed_ms=now_ms()))

    def all(self) -> list[Alarm]:
        """Open and closed ones, oldest first."""
        paths = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        alarms = [alarm for path in paths if (alarm := self._read(path)) is not None]
        return sorted(alarms, key=lambda alarm: alarm.opened_ms)

    def forget(self, alarm: Alarm) -> None:
        """Remove the file of an alarm that is kept elsewhere now."""
        self._path(alarm.condition, alarm.subject).unlink(missing_ok=True)

    def _path(self, condition: str, subject: str) -> Path:
        digest = hashlib.sha256(f"{condition}\0{subject}".encode()).hexdigest()[:20]
        return self._folder / f"{digest}.json"

    def _read(self, path: Path) -> Alarm | None:
        try:
            return Alarm(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            LOGGER.warning("alarm file %s cannot be read: %s", path, error)
            return None

    def _write(self, alarm: Alarm) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(self._disk, self._path(alarm.condition, alarm.subject), json.dumps(alarm._asdict()).encode())
        except OSError:
            LOGGER.exception("alarm %s about %s cannot be kept", alarm.condition, alarm.subject)


class AlarmsAfterwards:
    """
    An AlarmSink that keeps alarms back until `deliver`.

    A store of alarms may be slow, or broken: neither may hold a log's lock, or fail an append that is durable.
    """

    def __init__(self, sink: AlarmSink) -> None:
        self._sink = sink
        self._waiting: deque[tuple[Callable[..., None], tuple[str, ...]]] = deque()

    def open(self, condition: str, subject: str, evidence: str) -> None:
        self._waiting.append((self._sink.open, (condition, subject, evidence)))

    def close(self, condition: str, subject: str) -> None:
        self._waiting.append((self._sink.close, (condition, subject)))

    def deliver(self) -> None:
        """Hand on what waits, in its order. Call it when the lock is free. Never raises: it logs instead."""
        while True:
            try:
                change, alarm = self._waiting.popleft()
            except IndexError:
                return
            try:
                change(*alarm)
            except Exception:  # a sink is code of others, and what was written stays written
                LOGGER.exception("alarm %s about %s cannot be kept", *alarm[:2])

    def forget(self) -> None:
        """For a child after fork: its parent delivers them."""
        self._waiting.clear()
