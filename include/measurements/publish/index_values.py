"""
Values of a header as the indexes show them: what JSON and YAML write the same way, and no page stumbles over.

    text            text of at most 1,000 letters, half surrogate pairs as `?`
    number          itself; beyond 64 bits, NaN and infinities: null
    date            ISO 8601
    list            the first 1,000 values
    anything else   bytes and the like: their text; mappings, sets and lists in lists: what they are
"""

from __future__ import annotations

import math
from datetime import date

TEXT_MAX, LIST_MAX = 1000, 1000
NUMBER_MAX = 2**63 - 1


def plain(value: object) -> object:
    """One value, by the table above; whatever it is, it takes no more room than the table says."""
    return [_single(item) for item in value[:LIST_MAX]] if isinstance(value, list | tuple) else _single(value)


def _single(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if _is_shown(value) else None
    if isinstance(value, date):
        return value.isoformat()
    return _text(value)


def _is_shown(number: float) -> bool:
    return -NUMBER_MAX <= number <= NUMBER_MAX and (isinstance(number, int) or math.isfinite(number))


def _text(value: object) -> str:
    if isinstance(value, list | tuple | set | frozenset | dict):
        # Written out, it might be of any length or depth, or contain itself.
        return f"{type(value).__name__} of {len(value)}"
    return str(value)[:TEXT_MAX].encode("utf-8", "replace").decode("utf-8")
