"""
The seam to the file system: every change that must survive a crash goes through one `Disk`.

Reading needs no seam: what a process reads is what it would read after its own death; only power loss makes
a difference, and `tests/fakes/simulated_disk.py` plays that by recording these calls and dropping what was not synced.
"""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """The real file system. All methods raise OSError and leave its meaning to the caller."""

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        """A descriptor, closed on exec. With O_CREAT the name is durable only after `sync_folder`."""
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def write_at(self, descriptor: int, data: bytes | bytearray | memoryview, at: int) -> int:
        """Write some bytes at a place and return how many; fewer than asked is possible."""
        return os.pwrite(descriptor, data, at)

    def sync_data(self, descriptor: int) -> None:
        """Bytes and size are durable (fdatasync). After an error nothing is known of what was written before."""
        os.fdatasync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """The names in the folder are durable (fsync)."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        os.ftruncate(descriptor, size_bytes)

    def rename(self, source: Path, target: Path) -> None:
        """Atomic; durable only after `sync_folder`."""
        source.rename(target)

    def unlink(self, path: Path) -> None:
        """Missing is fine; durable only after `sync_folder`."""
        path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        """One folder, for its owner only; existing is fine; durable only after `sync_folder` of its parent."""
        path.mkdir(mode=0o700, exist_ok=True)

    def reserve(self, path: Path, size_bytes: int) -> None:
        """A file of this size whose blocks are really taken."""
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        finally:
            os.close(descriptor)


def make_folders(disk: Disk, path: Path) -> None:
    """
    The folder and its parents, durable when it returns.

    All parents are synced each time, because one that exists may be the work of a process that died before its sync.
    """
    for folder in [*reversed(path.parents), path]:
        if not folder.is_dir():
            disk.make_folder(folder)
    device = path.stat().st_dev
    for parent in path.parents:
        if parent.stat().st_dev != device or not os.access(parent, os.R_OK):
            break  # a mount point, or a folder of somebody else: not made here
        disk.sync_folder(parent)


def write_all(disk: Disk, descriptor: int, data: bytes | bytearray, at: int) -> None:
    """Write every byte. OSError leaves an unknown prefix behind: the caller truncates."""
    view = memoryview(data)
    while view:
        written = disk.write_at(descriptor, view, at)
        view, at = view[written:], at + written
