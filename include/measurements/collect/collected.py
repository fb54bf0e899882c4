"""
The record of batches we have: `<state>/collected/<collector>/<batch>.{verified,published}`.

A record is written before a batch leaves the folder where it came in, and dropped when the host has forgotten the
batch. So a batch that the next stage has long taken away is not fetched again, and only what was proven is forgotten.

    (none) ── verified: all bytes are here and right ──> published: raw/ has it ──> (none: the host forgot it)

`<batch>.failed` says that the last try failed; such a batch is tried after the others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, NamedTuple

from include.common.atomic_files import fsync_folder
from include.measurements.batch_manifest import Manifest, is_safe_path
from include.measurements.collect.errors import RecordDamaged
from include.measurements.collect.transport import is_batch_name
from spool.durable_file import GROUP_READS, write_durably

Mark = Literal["verified", "published"]
_FAILED = "failed"


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

    def verified(self) -> list[str]:
        """Batches that are here and not yet given on: a process died. Sorted."""
        return self._batches("verified")

    def published(self) -> list[str]:
        """Batches the host may forget when their time has come, sorted."""
        return self._batches("published")

    def read(self, batch: str, mark: Mark) -> Record:
        """RecordDamaged where the record is not one of ours."""
        try:
            row = json.loads(self._path(batch, mark).read_text(encoding="utf-8"))
            record = Record(batch, row["verified_ms"], row["files"])
            if type(record.verified_ms) is not int or not all(map(is_safe_path, record.manifest)):
                raise ValueError(batch)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RecordDamaged(
                f"{self._folder.name}/{batch}: its record `.{mark}` cannot be read",
                hint="see docs/runbooks/collector-refuses.md; the host keeps its copy",
            ) from error
        return record

    def add(self, record: Record) -> None:
        """Note a verified batch. Durable when it returns."""
        path = self._path(record.batch, "verified")
        write_durably(
            path, json.dumps({"verified_ms": record.verified_ms, "files": dict(record.manifest)}), mode=GROUP_READS
        )

    def mark_published(self, batch: str) -> None:
        self._path(batch, "verified").rename(self._path(batch, "published"))
        fsync_folder(self._folder)

    def drop(self, batch: str) -> None:
        self._path(batch, "published").unlink()

    def failed_last(self, batch: str) -> bool:
        return self._path(batch, _FAILED).exists()

    def note_outcome(self, batch: str, *, failed: bool) -> None:
        """For the order of the next sync; may get lost without harm."""
        path = self._path(batch, _FAILED)
        path.touch() if failed else path.unlink(missing_ok=True)

    def _batches(self, mark: Mark) -> list[str]:
        names = (path.name.removesuffix(f".{mark}") for path in self._folder.glob(f"*.{mark}"))
        return sorted(name for name in names if is_batch_name(name))

    def _path(self, batch: str, mark: str) -> Path:
        return self._folder / f"{batch}.{mark}"
