"""
Batches that somebody puts into a folder of this machine: files below `<folder>/<batch>/`, then one marker beside it.

`<batch>.manifest` is a manifest as sha256sum makes it; an empty `<batch>.ready` says "as they are now". The marker
comes last. Forgetting hashes again, as the gate does; changed files become the batch `<batch>_late1`.

Processes that may write into the folder are not trusted: a batch or a marker that is a link, a pipe or a device is
refused.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from include.measurements import batch_manifest
from include.measurements.batch_manifest import MANIFEST_SUFFIX, Manifest
from include.measurements.collect.errors import BatchRefused, DirectoryUnread, GateRefused
from include.measurements.collect.progress import Transferred
from include.measurements.collect.transport import BATCH_BYTES_MAX, Forgotten

READY_SUFFIX = ".ready"
LATE_MAX = 1000
# As long as collector_gate takes a manifest.
MARKER_BYTES_MAX = 64 * 1024 * 1024
# Leaves room for `_late` and a number in the 64 letters of a batch's name.
_LATE_STEM = 50


class DropFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def stage(self, batch: str) -> int:
        return 0

    def batches(self) -> list[str]:
        try:
            entries = [entry.name for entry in self._folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise DirectoryUnread(
                f"the drop folder {self._folder} cannot be listed: {error.strerror}",
                hint="correct `folder` in config/collectors.yml, create it, or let this user read it",
            ) from error
        # A hidden marker is one that is still being written.
        markers = [name for name in entries if name.endswith((MANIFEST_SUFFIX, READY_SUFFIX)) and name[0] != "."]
        names = {marker.rpartition(".")[0] for marker in markers}
        return sorted(name for name in names if os.path.lexists(self._folder / name))

    def manifest(self, batch: str) -> Manifest:
        folder = self._batch_folder(batch)
        marker = self._folder / (batch + MANIFEST_SUFFIX)
        if not os.path.lexists(marker):
            return batch_manifest.hashed(folder)
        try:
            return batch_manifest.parse(_marker_text(marker))
        except UnicodeDecodeError:
            raise BatchRefused("its manifest is not UTF-8", hint="write it with sha256sum") from None

    def fetch(self, batch: str, folder: Path) -> Transferred:
        source = self._batch_folder(batch)
        files = size_bytes = 0
        for path in batch_manifest.hashed(source):
            size_bytes += _copied(source / path, folder / path, BATCH_BYTES_MAX - size_bytes)
            files += 1
        return Transferred(files, size_bytes)

    def forget(self, batch: str, manifest: Manifest) -> Forgotten:
        if not os.path.lexists(self._folder / batch):
            self._remove_markers(batch)
            return Forgotten(0, (), 0)
        folder = self._batch_folder(batch)
        difference = batch_manifest.compare(folder, manifest)
        if difference.unknown:
            raise GateRefused(
                f"{folder}: {len(difference.unknown)} files are not in the manifest, nothing is deleted",
                hint="see docs/runbooks/collector-refuses.md",
            )
        self._offer_again(batch, difference.changed)
        proven = manifest.keys() - set(difference.changed) - set(difference.missing)
        for path in proven:
            (folder / path).unlink()
        for parent, _, _ in os.walk(folder, topdown=False):
            Path(parent).rmdir()  # never anything but empty folders: a file put there meanwhile fails this
        self._remove_markers(batch)
        return Forgotten(len(proven), difference.changed, 0)

    def _offer_again(self, batch: str, paths: tuple[str, ...]) -> None:
        if not paths:
            return
        late = self._free_late_name(batch)
        # The marker first: where we die between two files, the next try offers the others as another batch.
        (self._folder / (late + READY_SUFFIX)).touch()
        for path in paths:
            target = self._folder / late / path
            target.parent.mkdir(parents=True, exist_ok=True)
            (self._folder / batch / path).rename(target)

    def _free_late_name(self, batch: str) -> str:
        for number in range(1, LATE_MAX):
            late = f"{batch[:_LATE_STEM]}_late{number}"
            if not os.path.lexists(self._folder / late):
                return late
        raise GateRefused(f"a file of {batch} was changed too often", hint="take it out by hand")

    def _remove_markers(self, batch: str) -> None:
        for suffix in (MANIFEST_SUFFIX, READY_SUFFIX):
            (self._folder / (batch + suffix)).unlink(missing_ok=True)

    def _batch_folder(self, batch: str) -> Path:
        folder = self._folder / batch
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise BatchRefused("it is no folder, or a link to one", hint="put the files into a folder of that name")
        return folder


def _marker_text(marker: Path) -> str:
    status = marker.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > MARKER_BYTES_MAX:
        raise BatchRefused("its marker is no regular file, or too large", hint="write the marker with sha256sum")
    return marker.read_text(encoding="utf-8")


def _copied(source: Path, target: Path, bytes_max: int) -> int:
    """Copy a regular file, never through a link, fsynced; its size in bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file, target.open("wb") as copy:
        if os.fstat(descriptor).st_size > bytes_max:
            raise BatchRefused(f"it has more than {BATCH_BYTES_MAX} bytes", hint="drop smaller batches")
        shutil.copyfileobj(file, copy)
        copy.flush()
        os.fsync(copy.fileno())
        return copy.tell()
