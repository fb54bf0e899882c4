"""Turns of logs in trouble, beside those of the others, so that nobody waits for what they wait for."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from spool.shipping.log_shipper import Shipped
from spool.shipping.log_turn import LogTurn
from spool.shipping.ship_lock import ShipLock

# One that hangs for as long as a call to the store may take must not keep the next from its turn; each holds a segment
# in memory.
_THREADS = 2


class SideTurns:
    """`with SideTurns() as side:`; leaving the block waits for the turns in hand."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="ship-again")
        self._running: dict[LogTurn, Future[Shipped]] = {}
        self._objects = 0

    def take(self, turn: LogTurn, lock: ShipLock, stop: threading.Event) -> None:
        """Give a log its turn, now or when a thread is free."""
        self._running[turn] = self._pool.submit(turn.take, lock, stop)

    def has(self, turn: LogTurn) -> bool:
        """Whether its turn has not ended yet."""
        future = self._running.get(turn)
        if future is None:
            return False
        if not future.done():
            return True
        del self._running[turn]
        self._objects += future.result().objects
        return False

    def has_shipped(self) -> bool:
        """Whether turns that ended since the last question shipped something."""
        objects, self._objects = self._objects, 0
        return objects > 0

    def __enter__(self) -> SideTurns:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
