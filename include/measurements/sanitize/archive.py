"""
The private archive of originals: `archive/<report>.gz`, mode 0600, written once.

    1. pack into a hidden file, hashing what is read          must be what the manifest says
    2. fsync, unpack and hash again                           must be the same
    3. link under its name                                    fails where the name is taken; then a number is added,
                                                              unless what is there unpacks to the same
"""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

from include.common.atomic_files import COPIES_MAX, fsync_folder, temporary_path
from include.measurements.archived_originals import unpacked_sha256
from include.measurements.sanitize.errors import ArchiveDiffers, MachineFault
from spool import failpoints

SUFFIX = ".gz"
_BLOCK_BYTES = 1024 * 1024

failpoints.declare("sanitize.archive.packed")


def keep_original(original: Path, archived: Path, sha256: str, level: int) -> Path:
    """
    Durable when it returns the name it has; ArchiveDiffers where the original is not the one of the manifest.

    An original that is there already, under this name or a numbered one, is not written again.
    """
    target, exists = _place(archived, sha256)
    if exists:
        return target
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = temporary_path(target)
    temporary.unlink(missing_ok=True)
    try:
        if _pack(original, temporary, level) != sha256:
            raise ArchiveDiffers("an original is not what its manifest says", hint="was it changed by hand?")
        if unpacked_sha256(temporary) != sha256:
            # What is read back is not what was written: no report can be kept on this disk.
            raise MachineFault(
                "a packed original does not unpack to what was packed", hint="look at the disk; raw was kept"
            )
        failpoints.reach("sanitize.archive.packed")
        os.link(temporary, target)
        fsync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _place(archived: Path, sha256: str) -> tuple[Path, bool]:
    for number in range(COPIES_MAX):
        target = archived if number == 0 else archived.with_name(f"{archived.stem}.{number}{SUFFIX}")
        if not target.exists():
            return target, False
        if unpacked_sha256(target) == sha256:
            return target, True
    raise ArchiveDiffers(
        f"an original is archived in {COPIES_MAX} versions", hint="something runs in a circle; look at raw"
    )


def _pack(original: Path, target: Path, level: int) -> str:
    digest = hashlib.sha256()
    source = os.open(original, os.O_RDONLY | os.O_NOFOLLOW)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(source, "rb") as raw, os.fdopen(descriptor, "wb") as file:
        # No name and no time inside: the same original gives the same bytes.
        with gzip.GzipFile("", "wb", level, file, mtime=0) as packed:
            while block := raw.read(_BLOCK_BYTES):
                digest.update(block)
                packed.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
