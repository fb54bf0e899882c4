"""What makes a report the same report, where it was, and when: pure functions of its header."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

NATURAL_KEY = ("probe_asn", "start_time", "test_name", "input_hashes")
UNKNOWN_COUNTRY = "ZZ"
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


def report_id(header: Mapping[str, Any], report_file: str) -> str:
    """
    The natural key, hashed: probe_asn, start_time, test_name, input_hashes and `<collector>/<batch>/<path>`.

    A batch has its name from the collector on, so the same file has the same path whenever it is collected or
    restored. The hash of the original would do as well, but it must not get about: of a report that says nothing but
    an address, the address could be found by trying. That the same report does not come in from two batches is
    checked at the import, by its entries (docs/decisions/0009-a-report-is-imported-once.md).
    """
    parts = [header.get(name) for name in NATURAL_KEY]
    text = json.dumps([*parts, report_file], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def measurement_id(report: str, number: int) -> str:
    """Of the entry with this number, from 0; sorts like the numbers."""
    return f"{report}:{number:08}"


def country(header: Mapping[Any, Any]) -> str:
    """Two upper-case letters, or ZZ for everything else."""
    code = header.get("probe_cc")
    return code if isinstance(code, str) and _COUNTRY.match(code) else UNKNOWN_COUNTRY


def started_at(header: Mapping[Any, Any]) -> datetime | None:
    """When the test began, from `start_time` (seconds since 1970) or `test_start_time`; None where neither says it."""
    seconds = header.get("start_time")
    text = header.get("test_start_time")
    try:
        if isinstance(seconds, int | float) and not isinstance(seconds, bool) and math.isfinite(seconds):
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(text, datetime):
            return (text if text.tzinfo else text.replace(tzinfo=UTC)).astimezone(UTC)
        return datetime.strptime(str(text), _TIME_FORMAT).replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        # No date of the calendar: before the year 1, after 9999, or text in another form.
        return None
