"""
Any value YAML can give, as one that BSON and every MongoDB can hold.

    value                        becomes
    text                         text; half surrogate pairs become `?`
    bytes                        text where it is UTF-8 without NUL, else {"data": base64, "format": "base64"}
    integer beyond 64 bits       {"data": digits, "format": "integer"}
    float, NaN, infinities       themselves
    date with time               a date of BSON (milliseconds); one that in UTC is before the year 1 or after 9999:
                                 text, ISO 8601, as one without time
    set, tuple                   list; sets are sorted, so that one set has one form
    key with `.`, first `$`, %   the same with %2E, %24, %25 (and %00 for NUL): decoded by any URL library
    key that is no text          its JSON; where that makes two keys equal: {"pairs": [[key, value], ...]}
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from include.measurements.errors import MeasurementReportRefused

# MongoDB allows 100 levels of a document; what surrounds an entry takes a few.
DEPTH_MAX = 90
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
# Beyond this many bits Python refuses to write decimal digits (4300 of them); hexadecimal has no such limit.
_DECIMAL_BITS_MAX = 14_000


def document(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    """The mapping as a document; MeasurementReportRefused(`too_deep`) beyond DEPTH_MAX levels."""
    converted = _mapping(mapping, 1)
    assert isinstance(converted, dict)
    return converted


def value(given: object, depth: int = 0) -> object:  # noqa: C901 - one line for each type is the clearest form
    """One value, by the table above."""
    if depth > DEPTH_MAX:
        raise MeasurementReportRefused("too_deep", f"an entry has more than {DEPTH_MAX} levels")
    if given is None or isinstance(given, bool | float):
        return given
    if isinstance(given, str):
        return given if given.isascii() else given.encode("utf-8", "replace").decode("utf-8")
    if isinstance(given, int):
        return given if INTEGER_MIN <= given <= INTEGER_MAX else {"data": _digits(given), "format": "integer"}
    if isinstance(given, dict):
        return _mapping(given, depth + 1)
    if isinstance(given, list | tuple):
        return [value(item, depth + 1) for item in given]
    if isinstance(given, set | frozenset):
        return sorted((value(item, depth + 1) for item in given), key=repr)
    if isinstance(given, bytes):
        return _from_bytes(given)
    if isinstance(given, datetime):
        return _in_utc(given)
    if isinstance(given, date):
        return given.isoformat()
    raise MeasurementReportRefused("unknown_type", f"an entry holds a {type(given).__name__}")


def _mapping(given: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    # The keys decide alone: values are converted once, however many levels have keys that collide.
    keys = [_key(key) for key in given]
    if len(set(keys)) == len(keys):
        return {key: value(item, depth) for key, item in zip(keys, given.values(), strict=True)}
    return {"pairs": [[value(key, depth + 1), value(item, depth + 1)] for key, item in given.items()]}


def _key(key: object) -> str:
    text = str(value(key)) if isinstance(key, str) else json.dumps(value(key), sort_keys=True, default=str)
    if "%" in text or "." in text or "\0" in text:
        text = text.replace("%", "%25").replace(".", "%2E").replace("\0", "%00")
    return "%24" + text[1:] if text.startswith("$") else text


def _in_utc(given: datetime) -> object:
    # PyYAML gives dates without zone in UTC.
    aware = given if given.tzinfo else given.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC)
    except OverflowError:
        return given.isoformat()


def _digits(number: int) -> str:
    return str(number) if number.bit_length() <= _DECIMAL_BITS_MAX else hex(number)


def _from_bytes(given: bytes) -> object:
    try:
        text = given.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    return text if "\0" not in text else {"data": base64.b64encode(given).decode(), "format": "base64"}
