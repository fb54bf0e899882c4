"""
How many logs a process keeps open: a log takes two descriptors, and a process has 1,024 unless somebody raises that.

The logs that were used last stay open. Opening two files again takes some 20 microseconds, an fsync a thousand.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import Protocol

OPEN_LOGS_MAX = 64


class Closable(Protocol):
    """What opens its files again when it is used again."""

    def close_if_idle(self) -> None: ...


class OpenLogs:
    """Those that were used last; who falls out is closed, unless it is in use just then."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.forget()

    def forget(self) -> None:
        """For a child after fork, which closes what it inherited."""
        self._mutex = threading.Lock()
        self._recent: OrderedDict[Closable, None] = OrderedDict()

    def used(self, log: Closable) -> None:
        """`log` was used now, and may hold descriptors."""
        with self._mutex:
            self._recent[log] = None
            self._recent.move_to_end(log)
            oldest = self._recent.popitem(last=False)[0] if len(self._recent) > self._limit else None
        if oldest is not None:
            oldest.close_if_idle()


OPEN_LOGS = OpenLogs(OPEN_LOGS_MAX)
os.register_at_fork(after_in_child=OPEN_LOGS.forget)
