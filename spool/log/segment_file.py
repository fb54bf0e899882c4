"""The open segment as this process has it: a descriptor, and the sha256 of what is in it."""

from __future__ import annotations

import os
from pathlib import Path

from spool.disk import Disk
from spool.log.folder import open_path
from spool.log.running_hash import RunningHash


class SegmentDescriptor:
    """Opened when it is first needed, and again where the name means another file by now."""

    def __init__(self, log_path: Path, disk: Disk) -> None:
        self._log_path = log_path
        self._disk = disk
        self._descriptor = -1
        self._segment = -1
        self._inode = (-1, -1)
        self._hash = RunningHash()

    @property
    def descriptor(self) -> int:
        return self._descriptor

    def open(self, segment: int) -> bool:
        """Whether the open segment of this number exists; `descriptor` is its file then. OSError."""
        path = open_path(self._log_path, segment)
        if self._segment == segment and self._is_named(path):
            return True
        self.close()
        try:
            self._descriptor = self._disk.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        self._segment = segment
        status = os.fstat(self._descriptor)
        if self._inode != (status.st_dev, status.st_ino):
            self._inode, self._hash = (status.st_dev, status.st_ino), RunningHash()
        return True

    def close(self) -> None:
        """Give the descriptor back; what was hashed stays, for the case that the same file is opened again."""
        descriptor, self._descriptor, self._segment = self._descriptor, -1, -1
        if descriptor >= 0:
            os.close(descriptor)

    def size_bytes(self) -> int:
        return os.fstat(self._descriptor).st_size

    def read(self, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, fewer only where the file is shorter. OSError."""
        pieces = []
        while start < end and (piece := os.pread(self._descriptor, end - start, start)):
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def follow(self, synced_end: int, frame: bytes | bytearray) -> None:
        """`frame` was written behind `synced_end`."""
        self._hash.follow(self._segment, self._descriptor, synced_end, frame)

    def sha256(self, synced_end: int) -> str:
        """Of the segment up to `synced_end`. OSError."""
        return self._hash.digest(self._segment, self._descriptor, synced_end)

    def _is_named(self, path: Path) -> bool:
        try:
            named = path.stat()
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == self._inode
