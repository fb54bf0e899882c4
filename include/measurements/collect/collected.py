"""
The record of batches we have: `<state>/collected/<collector>/<batch>.{verified,published}`.

A record is written before a batch leaves the folder where it came in, and dropped when the host has forgotten the
batch. So a batch that the next stage has long taken away is not fetched again, and only what was proven is forgotten.

    (none) ── verified: all bytes are here and right ──> published: raw/ has it ──> (none: the host forgot it)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, NamedTuple

from include.common.atomic_files import fsync_folder, write_durably
from include.measurements.batch_manifest import Manifest

Mark = Literal["verified", "published"]


class Record(NamedTuple):
    """`verified_ms` since 1970 UTC."""

    batch: str
    verified_ms: int
    manifest: Manifest


class Collected:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def knows(self, batch: str) -> bool:
        return any(self._path(batch, mark).exists() for mark in ("verified", "published"))

    def verified(self) -> list[Record]:
        """Batches that are here and not yet given on: a process died."""
        return self._records("verified")

    def published(self) -> list[Record]:
        """Batches the host may forget when their time has come."""
        return self._records("published")

    def add(self, record: Record) -> None:
        """Note a verified batch. Durable when it returns."""
        path = self._path(record.batch, "verified")
        write_durably(path, json.dumps({"verified_ms": record.verified_ms, "files": dict(record.manifest)}))

    def mark_published(self, batch: str) -> None:
        self._path(batch, "verified").rename(self._path(batch, "published"))
        fsync_folder(self._folder)

    def drop(self, batch: str) -> None:
        self._path(batch, "published").unlink()

    def _records(self, mark: Mark) -> list[Record]:
        found = []
        for path in sorted(self._folder.glob(f"*.{mark}")):
            row = json.loads(path.read_text(encoding="utf-8"))
            found.append(Record(path.name.removesuffix(f".{mark}"), row["verified_ms"], row["files"]))
        return found

    def _path(self, batch: str, mark: str) -> Path:
        return self._folder / f"{batch}.{mark}"
