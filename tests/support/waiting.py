"""Waiting for a condition. The limit is generous: it bounds a test that fails, and never decides one that passes."""

from __future__ import annotations

import time
from collections.abc import Callable

LIMIT_S = 240.0


def until(condition: Callable[[], object], what: str, *, limit_s: float = LIMIT_S, every_s: float = 0.01) -> None:
    """Return as soon as `condition()` is true; AssertionError that names `what` after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        time.sleep(every_s)


def wait_for(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """`until`, where the condition says by itself what is waited for."""
    until(condition, "the condition", limit_s=limit_s)
