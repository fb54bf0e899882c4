"""16 MB kept free for sealing and recovery: they must work on a full disk, or nothing would ever drain it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from spool.disk import Disk

LOGGER = logging.getLogger(__name__)
SIZE_BYTES = 16 * 1024 * 1024
NAME = "_reserve"

T = TypeVar("T")


class Reserve:
    """One file per spool folder. It is given up when a disk is full and taken again when there is room."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._path = folder / NAME
        self._disk = disk

    def take(self) -> bool:
        """Hold the reserve; False where there is no room for it now."""
        if self._path.exists():
            return True
        try:
            self._disk.reserve(self._path, SIZE_BYTES)
        except OSError as error:
            LOGGER.warning("no room for the reserve %s: %s", self._path, error)
            self._disk.unlink(self._path)
            return False
        return True

    def spend_if_full(self, work: Callable[[], T]) -> T:
        """Do `work`; where it finds the disk full, give up the reserve and do it once more."""
        try:
            return work()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self._path.exists():
                raise
        LOGGER.warning("the disk is full: giving up the reserve %s", self._path)
        self._disk.unlink(self._path)
        return work()
