"""
Events that could not be appended when they happened: one small file each, until spool_ship appends them.

    <spool folder>/_late_events/<milliseconds>-<event id>.json      written whole: temporary name, fsync, rename
                                ....json.broken                     cannot be read; kept, counted, said

The order of effects of a sweep: read -> append (durable) -> unlink. A crash between the last two appends an event a
second time, under the same event id.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spool.event import Event

if TYPE_CHECKING:
    from spool.intake.client import SpoolClient

LOGGER = logging.getLogger(__name__)

# No stream is called like this: names of streams do not begin with an underscore.
FOLDER = "_late_events"
SWEEP_FILES_MAX = 100_000
APPEND_EVENTS_MAX = 1_000


def put_aside(folder: Path, stream: str, event: Event) -> Path:
    """Keep `event` for the next sweep. Durable when it returns; OSError when the folder cannot be written."""
    late = folder / FOLDER
    late.mkdir(parents=True, exist_ok=True)
    path = late / f"{event.time_ms:013d}-{event.id}.json"
    document = {
        "stream": stream,
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "time_ms": event.time_ms,
        "key": (event.key or b"").decode(),
        "value": event.value.decode(),
    }
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    _fsync_folder(late)
    return path


def sweep(folder: Path, client: SpoolClient) -> dict[str, int]:
    """Append what was put aside, oldest first. The errors of an append leave the files where they are."""
    appended = broken = 0
    for stream, paths, events in _batches(folder / FOLDER):
        if stream is None:
            broken += len(paths)
            continue
        client.append(stream, events)
        for path in paths:
            path.unlink()
        appended += len(events)
    if appended or broken:
        LOGGER.warning("events put aside earlier: appended=%s broken=%s folder=%s", appended, broken, folder / FOLDER)
    return {"appended": appended, "broken": broken}


def _batches(late: Path) -> Iterator[tuple[str | None, list[Path], list[Event]]]:
    stream: str | None = None
    paths: list[Path] = []
    events: list[Event] = []
    for path in sorted(late.glob("*.json"))[:SWEEP_FILES_MAX]:
        read = _read(path)
        if read is None:
            yield None, [path], []
            continue
        if paths and (read[0] != stream or len(paths) == APPEND_EVENTS_MAX):
            yield stream, paths, events
            paths, events = [], []
        stream = read[0]
        paths.append(path)
        events.append(read[1])
    if paths:
        yield stream, paths, events


def _read(path: Path) -> tuple[str, Event] | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        event = Event(
            document["value"].encode(),
            key=document["key"].encode() or None,
            id=document["id"],
            type=document["type"],
            source=document["source"],
            time_ms=document["time_ms"],
        )
        return document["stream"], event
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        LOGGER.error("cannot be read, kept as .broken: %s: %s", path, error)  # noqa: TRY400  - the reason is in the line
        path.rename(path.with_suffix(".json.broken"))
        return None


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
