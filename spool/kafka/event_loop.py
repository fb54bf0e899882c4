"""An asyncio loop in a thread of its own, with a deadline on every call and an end that waits for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

T = TypeVar("T")
# Cancelled tasks of aiokafka end at once; the bound is for one that does not.
_END_S = 3.0


class EventLoop:
    """Made for one producer and dropped with it: a producer that failed leaves tasks that would never end."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _loop, _context: None)  # tasks we drop have nothing to say
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run `work` to its end; TimeoutError when that takes longer, the work is cancelled then."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except FutureTimeout:
            future.cancel()
            raise TimeoutError(f"no answer within {timeout_s:.0f} s") from None

    def drop(self, close: Callable[[], None]) -> None:
        """Cancel every task, call `close` in the loop, end the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._end(close))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _end(self, close: Callable[[], None]) -> None:
        close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_END_S)
        await asyncio.sleep(0)  # let closed transports run their last callbacks
