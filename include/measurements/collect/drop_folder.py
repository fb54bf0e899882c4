"""
Batches that somebody puts into a folder of this machine: files below `<folder>/<batch>/`, then one marker beside it.

`<batch>.manifest` is a manifest as sha256sum makes it; an empty `<batch>.ready` says "as they are now". The marker
comes last. Forgetting hashes again, as the gate does; changed files become the batch `<batch>_late1`.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from include.measurements import batch_manifest
from include.measurements.batch_manifest import MANIFEST_SUFFIX, Manifest
from include.measurements.collect.errors import GateRefused
from include.measurements.collect.progress import Transferred
from include.measurements.collect.transport import Forgotten

READY_SUFFIX = ".ready"
LATE_MAX = 1000
BATCH = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")


class DropFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def stage(self, batch: str) -> int:
        return 0

    def batches(self) -> list[str]:
        markers = (*self._folder.glob(f"*{MANIFEST_SUFFIX}"), *self._folder.glob(f"*{READY_SUFFIX}"))
        names = {marker.name.rpartition(".")[0] for marker in markers}
        return sorted(name for name in names if BATCH.match(name) and (self._folder / name).is_dir())

    def manifest(self, batch: str) -> Manifest:
        marker = self._folder / (batch + MANIFEST_SUFFIX)
        if marker.exists():
            return batch_manifest.parse(marker.read_text(encoding="utf-8"))
        return batch_manifest.hashed(self._folder / batch)

    def fetch(self, batch: str, folder: Path) -> Transferred:
        files = size_bytes = 0
        for path in batch_manifest.hashed(self._folder / batch):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with (self._folder / batch / path).open("rb") as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
                copy.flush()
                os.fsync(copy.fileno())
                size_bytes += copy.tell()
            files += 1
        return Transferred(files, size_bytes)

    def forget(self, batch: str, manifest: Manifest) -> Forgotten:
        found = self._folder / batch
        if not found.is_dir():
            return Forgotten(0, (), 0)
        difference = batch_manifest.compare(found, manifest)
        if difference.unknown:
            raise GateRefused(
                f"{found}: {len(difference.unknown)} files are not in the manifest, nothing is deleted",
                hint="see docs/runbooks/collector-refuses.md",
            )
        for path in difference.changed:
            self._offer_again(batch, path)
        proven = manifest.keys() - set(difference.changed) - set(difference.missing)
        for path in proven:
            (found / path).unlink()
        for parent, _, _ in os.walk(found, topdown=False):
            Path(parent).rmdir()  # never anything but empty folders: a file put there meanwhile fails this
        for suffix in (MANIFEST_SUFFIX, READY_SUFFIX):
            (self._folder / (batch + suffix)).unlink(missing_ok=True)
        return Forgotten(len(proven), difference.changed, 0)

    def _offer_again(self, batch: str, path: str) -> None:
        for number in range(1, LATE_MAX):
            late = f"{batch}_late{number}"
            target = self._folder / late / path
            if not target.exists():
                break
        else:
            raise GateRefused(f"a file of {batch} was changed too often", hint="take it out by hand")
        target.parent.mkdir(parents=True, exist_ok=True)
        (self._folder / batch / path).rename(target)
        (self._folder / (late + READY_SUFFIX)).touch()
