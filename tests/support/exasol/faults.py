"""What goes wrong on demand. Each planned fault strikes once."""

from __future__ import annotations

import threading
from collections import defaultdict
from enum import Enum


class Fault(Enum):
    """
    TUNNEL_DROPPED   the server closes a tunnel after so many bytes of a body
    ROLLED_BACK      a statement of a transaction, or its commit, is answered with 40001 and all of it rolled back
    OVERFLOW         an IMPORT finds a number beyond its column
    WRONG_PIN        the server finds another public key behind the tunnel than the statement names
    SILENT           a statement is never answered, and its connection closed
    """

    TUNNEL_DROPPED = "tunnel dropped"
    ROLLED_BACK = "rolled back"
    OVERFLOW = "overflow"
    WRONG_PIN = "wrong pin"
    SILENT = "silent"


class Faults:
    """`plan` in the test, `strikes` in the server."""

    def __init__(self) -> None:
        self._planned: dict[Fault, list[int]] = defaultdict(list)
        self._lock = threading.Lock()

    def plan(self, fault: Fault, *, times: int = 1, after: int = 0) -> None:
        """The next `times` occasions; `after` so many bytes, or statements of the same kind that are spared."""
        with self._lock:
            self._planned[fault].extend([after, *[0] * (times - 1)])

    def strikes(self, fault: Fault) -> bool:
        """Whether it is this occasion's turn."""
        with self._lock:
            planned = self._planned[fault]
            if planned and planned[0] > 0:
                planned[0] -= 1
                return False
            return bool(planned) and planned.pop(0) == 0

    def bytes_before_drop(self) -> int | None:
        """Of the tunnel that is opened now."""
        with self._lock:
            planned = self._planned[Fault.TUNNEL_DROPPED]
            return planned.pop(0) if planned else None

    @property
    def left(self) -> int:
        """Planned and not yet struck."""
        with self._lock:
            return sum(map(len, self._planned.values()))
