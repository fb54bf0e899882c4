"""State changes as events of a stream: the Emit port over the spool's client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from include.common.emit import Emit
from spool.event import Event

Append = Callable[[str, Sequence[Event]], object]
"""`SpoolClient.append`, or what stands for it."""


def spool_events(append: Append, stream: str, source: str) -> Emit:
    """
    An Emit that appends each change as one JSON event keyed by `key`.

    The id is a hash of type, key and payload: a change told twice (a process died after telling) has one id.
    """

    def emit(event_type: str, key: str, payload: Mapping[str, object]) -> None:
        value = json.dumps({"key": key, **payload}, sort_keys=True, separators=(",", ":")).encode()
        digest = hashlib.sha256(b"\0".join((event_type.encode(), key.encode(), value))).hexdigest()
        append(stream, [Event(value, key=key.encode(), id=digest[:32], type=event_type, source=source)])

    return emit
