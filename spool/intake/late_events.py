"""
Events that could not be appended when they happened: one small file each, until spool_ship appends them.

    <spool folder>/_late_events/<milliseconds>-<hash of the event id>.json    written whole, durably
                                ....json.broken                               cannot be read, or is refused for good;
                                                                              kept, counted, reported

The order of effects of a sweep: read -> append (durable) -> unlink. A crash between the last two appends an event a
second time, under the same event id. Text that is not UTF-8 is kept by surrogate escapes.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spool.durable_file import write_durably
from spool.errors import EventRefused, SettingsError
from spool.event import Event

if TYPE_CHECKING:
    from spool.intake.client import SpoolClient

LOGGER = logging.getLogger(__name__)

# No stream is called like this: names of streams do not begin with an underscore.
FOLDER = "_late_events"
SWEEP_FILES_MAX = 100_000
APPEND_EVENTS_MAX = 1_000
_ANY_BYTES = "surrogateescape"


def put_aside(folder: Path, stream: str, event: Event) -> Path:
    """Keep `event` for the next sweep. Durable when it returns; OSError when the folder cannot be written."""
    # An id may hold anything, such as the parts of a path.
    digest = hashlib.sha256(event.id.encode(errors="backslashreplace")).hexdigest()[:32]
    path = folder / FOLDER / f"{event.time_ms:013d}-{digest}.json"
    document = {
        "stream": stream,
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "time_ms": event.time_ms,
        "key": (event.key or b"").decode(errors=_ANY_BYTES),
        "value": event.value.decode(errors=_ANY_BYTES),
    }
    write_durably(path, json.dumps(document))
    return path


def sweep(folder: Path, client: SpoolClient) -> dict[str, int]:
    """
    Append what was put aside, oldest first.

    An event that is refused for good becomes `.broken` and stops no other; a stream that is not in the settings stops
    its own events only (its SettingsError comes at the end). Other errors of an append leave the files where they are.
    """
    appended = broken = 0
    unknown: SettingsError | None = None
    for stream, paths, events in _batches(folder / FOLDER):
        if stream is None:
            broken += len(paths)
            continue
        try:
            refused = _append(client, stream, paths, events)
        except SettingsError as error:
            unknown = error
            continue
        broken += refused
        appended += len(events) - refused
    if appended or broken:
        LOGGER.warning("events put aside earlier: appended=%s broken=%s folder=%s", appended, broken, folder / FOLDER)
    if unknown is not None:
        raise unknown
    return {"appended": appended, "broken": broken}


def _append(client: SpoolClient, stream: str, paths: list[Path], events: list[Event]) -> int:
    """How many were refused for good; the others are appended, and their files are gone."""
    try:
        client.append(stream, events)
    except EventRefused as error:
        if len(events) > 1:
            # One of them is the reason: nothing was written.
            return sum(_append(client, stream, [path], [event]) for path, event in zip(paths, events, strict=True))
        _keep_broken(paths[0], error)
        return 1
    for path in paths:
        path.unlink()
    return 0


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
            document["value"].encode(errors=_ANY_BYTES),
            key=document["key"].encode(errors=_ANY_BYTES) or None,
            id=document["id"],
            type=document["type"],
            source=document["source"],
            time_ms=document["time_ms"],
        )
        return document["stream"], event
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        _keep_broken(path, error)
        return None


def _keep_broken(path: Path, error: Exception) -> None:
    LOGGER.error("cannot be appended, kept as .broken: %s: %s", path, error)
    path.rename(path.with_suffix(".json.broken"))
