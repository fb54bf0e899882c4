"""
Events as types: what a feature emits is a frozen dataclass with a type name, a version and a stream.

    @dataclass(frozen=True)
    class InvoicePaid(FeatureEvent, type="invoice.paid", stream="invoices"):
        \"\"\"The amount has arrived.\"\"\"

        number: Annotated[str, "the invoice's number"]
        cents: Annotated[int, "what was paid"]

        def event_key(self) -> str:
            return self.number

They stand in `events.py` of a feature; docs/events.md and docs/events.json are generated from all of them. A change of
the fields is a new version: a consumer reads `version` in the payload, and takes 1 where it is missing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import ClassVar

from spool.event import Event

JSON = "JSON"


class FeatureEvent:
    """
    The base of all event types. A field whose default is None is left out of the payload where it is None.

    type      CloudEvents type, such as `measurement_report.imported`; empty for a base of several types
    version   counts the shapes of this type, from 1
    stream    where events of this type are appended
    content   what the payload is
    """

    type: ClassVar[str] = ""
    version: ClassVar[int] = 1
    stream: ClassVar[str] = ""
    content: ClassVar[str] = JSON

    def __init_subclass__(cls, *, type: str = "", version: int = 1, stream: str = "", content: str = "") -> None:
        super().__init_subclass__()
        cls.type, cls.version = type, version
        cls.stream, cls.content = stream or cls.stream, content or cls.content

    def event_key(self) -> str:
        """Events with the same key keep their order."""
        raise NotImplementedError


def encode_payload(event: FeatureEvent) -> bytes:
    """The fields and the version as JSON, with sorted keys: equal events have equal bytes."""
    values = ((field, getattr(event, field.name)) for field in fields(event))  # type: ignore[arg-type]
    written = {field.name: value for field, value in values if value is not None or field.default is not None}
    return json.dumps({"version": event.version, **written}, sort_keys=True, separators=(",", ":")).encode()


def encode(event: FeatureEvent, source: str, *, id: str = "", time_ms: int = 0) -> Event:
    """
    The event as the spool takes it; `time_ms` 0 means when it is appended.

    Without an id it gets a hash of type, key and payload: a change that is emitted twice (a process died after it
    emitted) has one id.
    """
    key, value = event.event_key().encode(), encode_payload(event)
    digest = hashlib.sha256(b"\0".join((event.type.encode(), key, value))).hexdigest()
    return Event(value, key=key, id=id or digest[:32], type=event.type, source=source, time_ms=time_ms)
