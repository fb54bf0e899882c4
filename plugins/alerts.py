"""
What a person reads in the log of a failed task: what it means that this error came, and what to do.

Airflow logs the traceback; the hint that every error of the engine carries is not part of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

LOGGER = logging.getLogger(__name__)


def log_hint(context: Mapping[str, Any]) -> None:
    """Callback for failed tries and failed tasks. Never raises: a callback's own error would hide the first one."""
    for line in explain(context.get("exception")):
        LOGGER.error("%s", line)


def explain(error: object) -> list[str]:
    """The lines for one error: what it is, its hint, and whether it is tried again. Empty for errors not ours."""
    from spool.errors import AppendUnknown, SpoolError, TerminalError, TransientError

    if not isinstance(error, SpoolError):
        return []
    lines = [f"{type(error).__name__}: {error}"]
    if error.hint:
        lines.append(f"What to do: {error.hint}")
    if isinstance(error, TerminalError):
        lines.append("Not tried again: trying again gives the same result until the cause is removed.")
    elif isinstance(error, TransientError):
        lines.append("Trying again may help: it is tried again as often as the task's retries allow.")
    elif isinstance(error, AppendUnknown):
        lines.append("Not tried again by itself: the events may be durable, a second append could double them.")
    return lines
