"""Milliseconds since 1970 UTC as RFC 3339 text."""

from __future__ import annotations

import datetime

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def rfc3339(time_ms: int) -> str:
    """`2026-11-23T09:30:00.123Z`. Years 1 to 9999; OverflowError beyond."""
    moment = _EPOCH + datetime.timedelta(milliseconds=time_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
