"""
Take in log files: choose -> read lines -> append -> count.

An event is one line: key = the file's path (so that its lines keep their order), id = `<path>:<byte>` (so that a file
taken in twice is recognised by its ids), headers `log_file` and `log_byte`. A line above the stream's limit becomes
several events, the later ones with the header `log_part`; nothing is cut off.

A file that turns out damaged, or has gone, while it is read is passed over from there on, and counted: what was read
of it is taken in, and so are the other files.
"""

from __future__ import annotations

import gzip
import logging
import socket
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.common.appended import Appended
from include.log_files.choose import choose, opened
from include.log_files.config import IntakeRequest, LogFilesConfig
from include.log_files.events import LogLine
from spool.errors import TerminalError
from spool.event import Event

if TYPE_CHECKING:
    from spool.intake.client import SpoolClient

LOGGER = logging.getLogger(__name__)

APPEND_EVENTS_MAX = 5_000
APPEND_BYTES_MAX = 2 * 1024 * 1024
# Below the engine's own limit, which counts key and headers too.
LINE_BYTES_MAX = 500_000

# What is wrong with one file. A fault of the disk or of this process ends the intake.
_OF_THE_FILE = (EOFError, zlib.error, gzip.BadGzipFile, FileNotFoundError, PermissionError)


class FileDamaged(TerminalError):
    """A log file that cannot be read to its end."""


def take_in(client: SpoolClient, request: IntakeRequest, config: LogFilesConfig) -> dict[str, Any]:
    """Append the lines; returns counts and offset ranges. Durable at the stream's acknowledgement when it returns."""
    chosen = choose(request, config)
    for path, reason in chosen.passed_over:
        LOGGER.warning("passed over: %s %s", path, reason)
    appended = Appended()
    files, passed_over = 0, len(chosen.passed_over)
    for path in chosen.files:
        remaining = request.max_events - appended.events
        if not remaining:
            LOGGER.warning("max_events=%s reached; %s and what follows it was not read", request.max_events, path)
            break
        before = appended.events
        try:
            for events in batches(path, remaining):
                appended.add(client.append(request.stream, events))
        except FileDamaged as damaged:
            LOGGER.warning("passed over from there on: %s (%s lines taken in)", damaged, appended.events - before)
            passed_over += 1
            continue
        files += 1
        LOGGER.info("took in %s lines of %s", appended.events - before, path)
    return {
        "stream": request.stream,
        "files": files,
        "files_passed_over": passed_over,
        "events": appended.events,
        "ranges": appended.ranges,
    }


def batches(path: Path, events_max: int) -> Iterator[list[Event]]:
    """The first `events_max` lines of the file, some thousands at a time; FileDamaged after the last that are whole."""
    batch: list[Event] = []
    size = 0
    damaged: FileDamaged | None = None
    lines = islice(_lines(path), events_max)
    while True:
        try:
            event = next(lines, None)
        except _OF_THE_FILE as error:
            damaged = FileDamaged(f"{path}: {error}", hint="unpack it by hand to see what is left of it")
            event = None
        if event is None:
            break
        batch.append(event)
        size += len(event.value)
        if len(batch) == APPEND_EVENTS_MAX or size >= APPEND_BYTES_MAX:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
    if damaged is not None:
        raise damaged


def _lines(path: Path) -> Iterator[Event]:
    key = str(path).encode()
    source = f"file://{socket.gethostname()}{path}"
    position = part = 0
    with opened(path) as file:
        while piece := file.readline(LINE_BYTES_MAX):
            headers: tuple[tuple[str, bytes | None], ...] = (("log_file", key), ("log_byte", b"%d" % position))
            if part:
                headers += (("log_part", b"%d" % part),)
            line = piece.rstrip(b"\r\n")
            if line or part:
                yield Event(line, key=key, id=f"{path}:{position}", type=LogLine.type, source=source, headers=headers)
            position += len(piece)
            part = 0 if piece.endswith(b"\n") else part + 1
