"""
What a person reads in the log of a failed task: what this error means, what to do, whether it is tried again.

Airflow logs the traceback; the hint that every error of the engine carries is not part of it. It is logged before the
error leaves the task, because what callbacks log afterwards is in a folded group of Airflow's log view.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from spool.errors import AppendUnknown, SpoolError, TerminalError, TransientError

LOGGER = logging.getLogger(__name__)


def explained(function: Callable[..., Any]) -> Callable[..., Any]:
    """Log what to do about an error of ours, then re-raise it. Around each task by `task` of plugins.dag_defaults."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except SpoolError as error:
            for line in explain(error):
                LOGGER.error("%s", line)  # noqa: TRY400  - the traceback is Airflow's part
            raise

    call.is_explained = True  # type: ignore[attr-defined]
    return call


def log_error(stream: str, error: BaseException) -> None:
    """The lines of one stream's error, for a task that goes on with the others; a defect with its traceback."""
    lines = explain(error)
    if not lines:
        LOGGER.error("stream=%s failed", stream, exc_info=error)
    for line in lines:
        LOGGER.error("stream=%s %s", stream, line)


def explain(error: object) -> list[str]:
    """The lines for one error: what it is, its hint, and whether it is tried again. Empty for errors not ours."""
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
