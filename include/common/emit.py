"""The port through which features tell what changed; plugins/ and __main__ decide where events go."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Emit = Callable[[str, str, Mapping[str, object]], None]
"""
(type, key, payload): such as `measurement_report.imported`, the report's path, counts and ids; never contents, never
secrets.

Durable when it returns. A process that dies right after it tells the same again: at least once, never lost.
"""


def no_events(event_type: str, key: str, payload: Mapping[str, object]) -> None:
    """For runs by hand without a spool folder."""
