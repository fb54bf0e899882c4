"""
Who ships this folder: `<folder>/ship.lock` with flock, and `<folder>/ship.heartbeat`, written while shipping.

The lock saves work only; safety is the conditional put's. So a holder that stopped breathing (SIGSTOP, a hung disk) is
passed over instead of being waited for.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from pathlib import Path
from types import TracebackType

from spool.clock import boot_id, boottime_ns
from spool.durable_file import temporary_beside
from spool.file_lock import FileLock, is_locked

LOGGER = logging.getLogger(__name__)

LOCK = "ship.lock"
HEARTBEAT = "ship.heartbeat"
# Most attempts of the shipper end sooner (rule 11); one that may take longer says so with its beat.
STALE_S = 10.0


class ShipLock:
    """`with ShipLock(folder) as lock: if lock.held: ...`; held until the block or the process ends, by no child."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / LOCK)

    @property
    def held(self) -> bool:
        return self._lock.is_held

    def beat(self, busy_s: float = 0.0) -> None:
        """
        Record that shipping continues. Only the holder does: a helper of a stopped shipper must not make it look alive.

        busy_s: how long the next step may take, where that is longer than the others of its kind, such as a large
        object over a slow link. Not fsynced: it is about this boot only. A full disk does not stop the shipping that
        makes room: then the heartbeat grows old, and others ship beside.
        """
        if not self.held:
            return
        temporary = temporary_beside(self._folder / HEARTBEAT)
        try:
            temporary.write_text(f"{_written_boot_id()} {boottime_ns() + int(busy_s * 1e9)}", encoding="ascii")
            temporary.replace(self._folder / HEARTBEAT)
        except OSError as error:
            LOGGER.warning("the heartbeat of %s cannot be written: %s", self._folder, error)
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def __enter__(self) -> ShipLock:
        """Take the lock if it is free. OSError where the folder has no room for it or cannot be written."""
        if self._lock.try_acquire():
            self.beat()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()


def somebody_ships(folder: Path) -> bool:
    """Whether a shipper holds the lock and wrote its heartbeat within the last 10 s. OSError."""
    return _heartbeat_age_s(folder) < STALE_S and is_locked(folder / LOCK)


def _heartbeat_age_s(folder: Path) -> float:
    with contextlib.suppress(OSError, ValueError):
        written, at_ns = (folder / HEARTBEAT).read_text(encoding="ascii").split()
        if written == _written_boot_id():
            return (boottime_ns() - int(at_ns)) / 1e9
    return float("inf")


def _written_boot_id() -> str:
    return str(uuid.UUID(bytes=boot_id()))
