"""
A small file that is wholly there or not at all, whenever the process dies or the power goes.

    1. write a temporary file beside it   2. fdatasync   3. rename   4. fsync the folder

A temporary file that a killed process left behind has a name of its own, `.<32 hex digits>.tmp`, which nothing reads;
`remove_leftovers` deletes it later.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path

from spool.disk import Disk, write_all

# Only the owner reads what the spool holds: payloads, positions, evidence of alarms.
OWNER_ONLY = 0o600
# What an operator looks at and the next stage reads.
GROUP_READS = 0o640
# A file of this age is nobody's work in progress: a write of 16 MB takes seconds.
LEFTOVER_AGE_S = 3600.0
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp\Z")


def write_file(disk: Disk, path: Path, data: bytes, *, mode: int = OWNER_ONLY) -> None:
    """
    Replace `path` by `data`, atomically; durable when it returns. The folder must exist.

    mode: the permissions of the file, whatever the umask. OSError: the old content is untouched, or, where only the
    last step failed, the new one is in place but may not survive a power loss.
    """
    temporary = temporary_beside(path)
    try:
        _write_synced(disk, temporary, data, mode)
        disk.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            disk.unlink(temporary)
        raise
    disk.sync_folder(path.parent)


def write_durably(path: Path, content: str | bytes, *, mode: int = OWNER_ONLY) -> None:
    """`write_file` on the real disk, for text (UTF-8) as well; a missing folder is made, for who may read the file."""
    path.parent.mkdir(mode=mode | (mode & 0o444) >> 2, parents=True, exist_ok=True)
    write_file(Disk(), path, content.encode() if isinstance(content, str) else content, mode=mode)


def temporary_beside(path: Path) -> Path:
    """
    A name in the folder of `path` that no other process or thread uses.

    Of fixed length, because `path` may have the longest name that a folder takes; random, because process ids repeat
    where containers share a volume.
    """
    return path.with_name(f".{secrets.token_hex(16)}.tmp")


def remove_leftovers(disk: Disk, folder: Path) -> None:
    """Delete temporary files that are older than an hour. Not synced: one that comes back is deleted again."""
    oldest_in_use = time.time() - LEFTOVER_AGE_S
    for path in folder.iterdir():
        if _TEMPORARY.match(path.name):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest_in_use:
                    disk.unlink(path)


def _write_synced(disk: Disk, path: Path, data: bytes, mode: int) -> None:
    # The name is new and is no link: otherwise somebody laid it there for us to write through.
    descriptor = disk.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        os.fchmod(descriptor, mode)
        write_all(disk, descriptor, data, 0)
        disk.sync_data(descriptor)
    finally:
        os.close(descriptor)
