"""Files that are wholly there or not at all, whenever the process dies: moves within one file system, and names."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

# Names tried when the wanted one is taken; more copies than this of one file mean that something runs in a circle.
COPIES_MAX = 1000
# The longest name of a file on every file system in use.
NAME_BYTES_MAX = 255


def temporary_path(path: Path) -> Path:
    """
    Where `path` is written before it gets its name: hidden, beside it, the same each time for the same path.

    Of fixed length, because a name may have 255 bytes and `path` may have all of them.
    """
    return path.with_name(f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}.new")


def rename_durably(source: Path, target: Path) -> None:
    """One rename, fsynced on both sides. FileExistsError where the target is taken, OSError across file systems."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists")
    source.rename(target)
    for folder in {source.parent, target.parent}:
        fsync_folder(folder)


def free_name(target: Path) -> Path:
    """`target`, or the first of `target.1`, `target.2`, ... that is not taken. For one process at a time."""
    if not os.path.lexists(target):
        return target
    for number in range(1, COPIES_MAX):
        other = target.with_name(f"{_shortened(target.name)}.{number}")
        if not os.path.lexists(other):
            return other
    raise FileExistsError(f"{target} and {COPIES_MAX} names after it exist")


def _shortened(name: str) -> str:
    """With room for a number: a name may have 255 bytes."""
    return os.fsencode(name)[: NAME_BYTES_MAX - len(str(COPIES_MAX))].decode("utf-8", "ignore")


def fsync_file(path: Path) -> None:
    _fsync(path, os.O_RDONLY | os.O_NOFOLLOW)


def fsync_folder(folder: Path) -> None:
    _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_empty_folders(folder: Path, *, keep: Path) -> None:
    """Remove `folder` and its parents below `keep` as far as they are empty."""
    while folder != keep and folder.is_relative_to(keep):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
