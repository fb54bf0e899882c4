"""
System calls that fail: the n-th of a piece of work, once or from then on (a file system that went read-only).

Patches `os`, `fcntl` and the opening of file objects, so it sees every call whichever module makes it: reads and locks
too, which the disk's seam does not carry. Closing and unlocking do not fail.
"""

from __future__ import annotations

import fcntl
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CALLS = (
    "open", "pread", "pwrite", "fdatasync", "fsync", "ftruncate", "rename", "unlink", "stat", "fstat", "mkdir",
    "posix_fallocate", "fchmod", "scandir", "listdir",
)  # fmt: skip
READS = ("stat", "fstat", "pread", "scandir")


class FailingCalls:
    """Counts calls. Call number `fail_at` raises `number`; with `lasting` all later ones that change something too."""

    def __init__(self) -> None:
        self.count = 0
        self.names: list[str] = []
        self.fail_at = -1
        self.number = 0
        self.lasting = False

    @contextmanager
    def during(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Count, and fail, in the block."""
        with monkeypatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._counted(name, getattr(os, name)))
            patch.setattr(io, "open", self._counted("open a file object", io.open))
            patch.setattr(fcntl, "flock", self._counted("flock", fcntl.flock))
            patch.setattr(fcntl, "fcntl", self._counted("fcntl", fcntl.fcntl))
            yield

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if not _frees(name, arguments):
                self._count(name)
            return call(*arguments, **options)

        return counted

    def _count(self, name: str) -> None:
        number, self.count = self.count, self.count + 1
        self.names.append(name)
        is_after = self.lasting and 0 <= self.fail_at < number and name not in READS
        if number == self.fail_at or is_after:
            raise OSError(self.number, os.strerror(self.number))


def _frees(name: str, arguments: tuple[Any, ...]) -> bool:
    if name == "flock":
        return bool(arguments[1] == fcntl.LOCK_UN)
    return name == "fcntl" and arguments[2][:2] == fcntl.F_UNLCK.to_bytes(2, sys.byteorder)
