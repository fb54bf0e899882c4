"""What an error of the disk means to a caller whose events were not written, or were cut again."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from spool.errors import FolderRefused, SpoolFull

FULL = (errno.ENOSPC, errno.EDQUOT)
# Of this process, and of the whole system.
NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


@contextmanager
def disk_errors_refuse(name: str) -> Iterator[None]:
    """OSError becomes SpoolFull or FolderRefused about `name`."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise SpoolFull(f"{name}: {error}", hint="make space; what was accepted is safe") from error
        if error.errno in NO_DESCRIPTOR:
            raise SpoolFull(
                f"{name}: {error}: no file descriptor is left, the disk is well",
                hint="raise the limit of the process (ulimit -n), or look for files left open (ls -l /proc/PID/fd)",
            ) from error
        raise FolderRefused(
            f"{name}: {error}", hint="SPOOL_FOLDER must be a writable local folder; look at the disk (dmesg, smartctl)"
        ) from error
