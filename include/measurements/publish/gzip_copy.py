"""The compressed copy of a measurement report that the mirror offers: made, and removed."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
from pathlib import Path

from include.common.atomic_files import fsync_folder, temporary_path

PUBLIC_MODE = 0o644


def gzip_durably(source: Path, target: Path) -> tuple[int, str]:
    """Compress `source` so that the same bytes always give the same file; its size and sha256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(target)
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as plain, temporary.open("wb") as file:
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            while chunk := plain.read(1024 * 1024):
                packed.write(chunk)
        os.fchmod(file.fileno(), PUBLIC_MODE)
        file.flush()
        os.fsync(file.fileno())
    with temporary.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = temporary.stat().st_size
    temporary.replace(target)
    fsync_folder(target.parent)
    return size, digest


def remove_file(copy: Path) -> None:
    """Remove it; one that is not there, or has a name that no file can have, is no error."""
    try:
        copy.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
