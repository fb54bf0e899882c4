"""
The producers of a log on disk: `<log>/producers`, and the commits behind it.

The file holds the table as it was when the log stood at (segment, offset); what came later is read out of the log's own
commits, below the synced end. So it is written rarely: once before the first idempotent append of a log, and again when
shipping wants to remove segments that are still needed to bring it up to date.

    one line of JSON: {"version", "segment", "offset", "inherited", "sha256" of all others and of the rest}
    one line per producer: ["name", sequence, "log", first offset, count, checksum, time in ms]

It is replaced as a whole, under `producers.lock`, and never by an older one: the segments that an older one needs may
be gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from spool import failpoints
from spool.clock import Deadline, now_ms
from spool.disk import Disk
from spool.durable_file import write_file
from spool.errors import ProducerConflict
from spool.file_lock import locked
from spool.log.producers import Entry, ProducerTable

FILE, LOCK = "producers", "producers.lock"
VERSION = 1
_HEAD_BYTES_MAX = 64 * 1024
_LOCK_S = 5.0

failpoints.declare("log.producers.written")


class SavedProducers(NamedTuple):
    """The table as it was at `offset`, the next offset then; later commits are in `segment` and behind it."""

    segment: int
    offset: int
    table: ProducerTable


def needed_segment(log_path: Path) -> int | None:
    """The lowest segment that must stay on this host for the table's sake; None where nobody appends with sequences."""
    try:
        with (log_path / FILE).open("rb") as file:
            head = file.readline(_HEAD_BYTES_MAX)
    except FileNotFoundError:
        return None
    try:
        return int(json.loads(head)["segment"])
    except (ValueError, KeyError, TypeError):
        # Damaged: everything that is still here may be needed to repair it.
        return 0


def read_producers(log_path: Path) -> SavedProducers | None:
    """None where there is no file: nobody has appended with a sequence yet. ProducerConflict where it is damaged."""
    try:
        data = (log_path / FILE).read_bytes()
    except FileNotFoundError:
        return None
    head, _, body = data.partition(b"\n")
    try:
        about = json.loads(head)
        if about["version"] != VERSION or about.pop("sha256") != _checksum(about, body):
            raise ValueError(f"version {about['version']}, or its checksum is wrong")
        rows = [json.loads(line) for line in body.splitlines()]
        entries = {str(row[0]): Entry(int(row[1]), str(row[2]), *map(int, row[3:7])) for row in rows}
        table = ProducerTable(entries, about["inherited"])
        return SavedProducers(int(about["segment"]), int(about["offset"]), table)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ProducerConflict(
            f"{log_path.parent.name}/{log_path.name}/{FILE} cannot be read: {error}",
            hint="docs/runbooks/producers.md: a new sequence looks like a repetition until it is repaired",
        ) from error


def save_producers(log_path: Path, disk: Disk, saved: SavedProducers) -> None:
    """Durable when it returns. One that is further on is left as it is. OSError, LockTimeout."""
    with locked(log_path / LOCK, Deadline.after(_LOCK_S), name=f"{log_path.parent.name}/{log_path.name}/{LOCK}"):
        present = read_producers(log_path)
        if present is not None and (present.segment, present.offset) > (saved.segment, saved.offset):
            return
        saved.table.age(now_ms())
        write_file(disk, log_path / FILE, _encode(saved))
    failpoints.reach("log.producers.written")


def _encode(saved: SavedProducers) -> bytes:
    rows = sorted(saved.table.entries.items())
    body = "".join(f"{json.dumps([producer, *entry])}\n" for producer, entry in rows).encode()
    about = {
        "version": VERSION, "segment": saved.segment, "offset": saved.offset,
        "inherited": sorted(saved.table.inherited),
    }  # fmt: skip
    return json.dumps({**about, "sha256": _checksum(about, body)}).encode() + b"\n" + body


def _checksum(about: Mapping[str, object], body: bytes) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode() + b"\n" + body).hexdigest()
