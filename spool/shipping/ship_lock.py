"""
Who ships this folder: `<folder>/ship.lock` with flock, and `<folder>/ship.heartbeat`, written while shipping.

The lock saves work only; safety is the conditional put's. So a holder that stopped breathing (SIGSTOP, a hung disk) is
passed over instead of being waited for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from pathlib import Path
from types import TracebackType

from spool.clock import boottime_ns

LOCK = "ship.lock"
HEARTBEAT = "ship.heartbeat"
# An attempt of the shipper ends after 10 s (rule 11), and between two it breathes.
STALE_S = 10.0


class ShipLock:
    """`with ShipLock(folder) as lock: if lock.held: ...`; held until the block or the process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    @property
    def held(self) -> bool:
        return self._descriptor >= 0

    def beat(self) -> None:
        """
        Say that shipping goes on. Only a holder says so: who works beside one that stopped must not make it look alive.

        Not fsynced: it is about this boot only.
        """
        if self.held:
            temporary = self._folder / f".{HEARTBEAT}.{os.getpid()}.{threading.get_ident()}"
            temporary.write_text(f"{_boot_id()} {boottime_ns()}", encoding="ascii")
            temporary.replace(self._folder / HEARTBEAT)

    def __enter__(self) -> ShipLock:
        descriptor = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return self
        self._descriptor = descriptor
        self.beat()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.held:
            os.close(self._descriptor)
            self._descriptor = -1


def somebody_ships(folder: Path) -> bool:
    """Whether a shipper holds the lock and wrote its heartbeat within the last 10 s."""
    return _heartbeat_age_s(folder) < STALE_S and _is_locked(folder)


def _heartbeat_age_s(folder: Path) -> float:
    with contextlib.suppress(OSError, ValueError):
        boot_id, at_ns = (folder / HEARTBEAT).read_text(encoding="ascii").split()
        if boot_id == _boot_id():
            return (boottime_ns() - int(at_ns)) / 1e9
    return float("inf")


def _is_locked(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that several who ask do not take each other for a shipper.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
