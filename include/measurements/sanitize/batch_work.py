"""
The note that a batch was begun, and the verdicts on its reports until they are settled.

    sanitizing/<collector>/<batch>/manifest.json      path to sha256 of the originals: the batch was found to match
                                   taken              its reports are in the counts
                                   <n>.out            sanitized bytes of report n, until they replace the original
                                   sandbox/           where the process in the sandbox writes, and nobody else
                                   <n>.verdict.json   what is to become of report n

Report n is the n-th path of the sorted manifest. A name here is never longer than a number, whatever the report's is.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from include.common.atomic_files import fsync_folder, remove_empty_folders
from include.measurements.batch_manifest import MANIFEST_SUFFIX, Manifest
from include.measurements.sanitize.verdict import Verdict
from include.measurements.state_folders import StateFolders
from spool.durable_file import GROUP_READS, write_durably

_MANIFEST = "manifest.json"
_TAKEN = "taken"


class Batch(NamedTuple):
    collector: str
    name: str

    def __str__(self) -> str:
        return f"{self.collector}/{self.name}"


class NotedVerdict(NamedTuple):
    """
    What is to become of a report, as it is stored on disk.

    sha256    of the bytes that are in raw once the verdict is carried out
    """

    verdict: Verdict
    sha256: str

    def encode(self) -> str:
        return json.dumps(self.verdict.encode() | {"sha256": self.sha256}, sort_keys=True)

    @classmethod
    def decode(cls, text: bytes) -> NotedVerdict:
        """ValueError where it is none; notes of before rules 2 also name the archived file, which nobody reads."""
        note = json.loads(text)
        fields = {name: value for name, value in note.items() if name not in ("sha256", "archived")}
        return cls(Verdict.decode(fields), str(note["sha256"]))


@dataclass(frozen=True)
class BatchWork:
    """
    folder   sanitizing/<collector>/<batch>
    raw      where the batch is
    manifest path to sha256 of the originals
    """

    batch: Batch
    folder: Path
    raw: Path
    manifest: Manifest

    @classmethod
    def begin(cls, folders: StateFolders, raw: Path, batch: Batch, manifest: Manifest) -> Self:
        """Durable when it returns."""
        folder = folders.root / "sanitizing" / batch.collector / batch.name
        shutil.rmtree(folder, ignore_errors=True)
        write_durably(folder / _MANIFEST, json.dumps(dict(manifest), sort_keys=True), mode=GROUP_READS)
        fsync_folder(folder.parent)
        return cls(batch, folder, raw / batch.collector / batch.name, manifest)

    @classmethod
    def begun(cls, folders: StateFolders, raw: Path) -> list[Self]:
        """Those that are not finished, sorted."""
        batches = []
        for note in sorted((folders.root / "sanitizing").glob(f"*/*/{_MANIFEST}")):
            batch = Batch(note.parent.parent.name, note.parent.name)
            place = raw / batch.collector / batch.name
            batches.append(cls(batch, note.parent, place, json.loads(note.read_bytes())))
        return batches

    def paths(self) -> list[str]:
        return sorted(self.manifest)

    def reports(self) -> list[str]:
        return [self.report(path) for path in self.paths()]

    def report(self, path: str) -> str:
        """Its name in every state."""
        return f"{self.batch}/{path}"

    def out_name(self, number: int) -> str:
        return f"{number}.out"

    def write_verdict(self, number: int, noted: NotedVerdict) -> None:
        write_durably(self._verdict_path(number), noted.encode(), mode=GROUP_READS)

    def verdict(self, number: int) -> NotedVerdict | None:
        try:
            return NotedVerdict.decode(self._verdict_path(number).read_bytes())
        except FileNotFoundError:
            return None

    def is_taken(self) -> bool:
        """Its reports are in the counts already; those that are not open there any more are settled."""
        return (self.folder / _TAKEN).exists()

    def mark_taken(self) -> None:
        write_durably(self.folder / _TAKEN, "", mode=GROUP_READS)

    def remove_empty_raw(self) -> None:
        """The folders first: a manifest without them is nothing to anybody."""
        for folder in sorted((f for f in self.raw.rglob("*") if f.is_dir()), reverse=True):
            folder.rmdir()
        if self.raw.exists():
            self.raw.rmdir()
        self.raw.with_name(self.raw.name + MANIFEST_SUFFIX).unlink(missing_ok=True)
        fsync_folder(self.raw.parent)

    def finish(self) -> None:
        # The note goes first: without it, the rest is swept when a batch of this name begins.
        (self.folder / _MANIFEST).unlink()
        fsync_folder(self.folder)
        shutil.rmtree(self.folder)
        remove_empty_folders(self.folder.parent, keep=self.folder.parent.parent)

    def _verdict_path(self, number: int) -> Path:
        return self.folder / f"{number}.verdict.json"
