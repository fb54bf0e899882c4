"""
Faults of the machine, apart from faults of the data.

What is wrong with one batch or one measurement report is a verdict on it, and the next one follows. What is wrong
with the machine would be wrong with each of them: the run ends, nothing is judged, and the next run continues.
"""

from __future__ import annotations

import errno
import os

# No space, quota, descriptors or memory; a disk that fails, is read-only or has gone away.
MACHINE_ERRNOS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EIO,
        errno.EROFS,
        errno.ESTALE,
        errno.ENODEV,
        errno.ENXIO,
    }
)


def is_machine_fault(error: BaseException) -> bool:
    """True for MemoryError and for an OSError whose number says that the machine cannot do it now."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in MACHINE_ERRNOS)


def without_path(error: OSError) -> str:
    """What the system says, without the path: a name that was not sanitized may give away what is in it."""
    return f"{os.strerror(error.errno or 0)} ({type(error).__name__})"
