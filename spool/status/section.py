"""
One table of the status: its rows, when they were taken, and what could not be reached then.

    {"version": 1, "name": "logs", "taken_ms": 1764064800000, "rows": [{"stream": "orders", ...}, ...],
     "troubles": ["StoreUnavailable: ..."]}

All rows have the keys of the first one; values are texts, numbers, true, false or null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from spool.clock import now_ms
from spool.errors import CorruptRecord

FORMAT_VERSION = 1
# What is shown has to fit a page; what is longer is cut, and says so.
ROWS_MAX = 1000
TEXT_CHARACTERS_MAX = 500
# The end of the year 9999, the last that is written as RFC 3339.
TIME_MS_MAX = 253_402_300_799_000
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")

Scalar = str | int | float | bool | None
Row = Mapping[str, Scalar]


class NamedRow(Protocol):
    """A named tuple of scalars."""

    def _asdict(self) -> dict[str, Any]: ...


class Section(NamedTuple):
    """
    name      such as `logs`
    taken_ms  when the rows were taken, milliseconds since 1970 UTC; 0 = never
    rows      as they are shown
    troubles  a sentence for each thing that is not in the rows, because it could not be reached or does not fit
    """

    name: str
    taken_ms: int
    rows: tuple[Row, ...]
    troubles: tuple[str, ...] = ()

    def age_s(self, now: int) -> float:
        """Seconds from when it was taken to `now` (milliseconds since 1970); never below 0."""
        return max(0.0, (now - self.taken_ms) / 1000)


def section(name: str, rows: Iterable[NamedRow], troubles: Iterable[str] = ()) -> Section:
    """A section of now. Rows beyond the limit are left out, and counted in a trouble."""
    dictionaries = [row._asdict() for row in rows]
    sentences = list(troubles)
    if len(dictionaries) > ROWS_MAX:
        sentences.append(f"only {ROWS_MAX:,} of {len(dictionaries):,} rows are shown")
    shown = ({key: _cut(value) for key, value in row.items()} for row in dictionaries[:ROWS_MAX])
    return Section(name, now_ms(), tuple(shown), tuple(str(_cut(sentence)) for sentence in sentences))


def encode(taken: Section) -> bytes:
    return json.dumps({"version": FORMAT_VERSION, **taken._asdict()}, allow_nan=False).encode()


def decode(data: bytes, what: str) -> Section:
    """CorruptRecord names `what` where it is no section of this version. Unknown keys are left out."""
    try:
        document = json.loads(data, parse_constant=_no_number)
        if document["version"] != FORMAT_VERSION:
            raise ValueError(f"version {document['version']!r}, this program reads {FORMAT_VERSION}")
        name, taken_ms = _text(document["name"]), document["taken_ms"]
        if not NAME.match(name) or type(taken_ms) is not int or not 0 <= taken_ms <= TIME_MS_MAX:
            raise ValueError("its name or its time")
        return Section(name, taken_ms, _rows(document["rows"]), tuple(map(_text, document["troubles"])))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptRecord(
            f"{what} is no status: {type(error).__name__}: {error}",
            hint="delete the file; the next run of spool_status writes it again",
        ) from error


def _rows(value: object) -> tuple[Row, ...]:
    if not isinstance(value, list) or len(value) > ROWS_MAX:
        raise ValueError("its rows are no list, or too many")
    for row in value:
        if not isinstance(row, dict) or row.keys() != value[0].keys():
            raise ValueError("its rows have different columns")
        if not all(cell is None or isinstance(cell, str | int | float) for cell in row.values()):
            raise ValueError("a cell is neither text nor number")
    return tuple(value)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a name or a trouble is no text")
    return value


def _cut(value: Any) -> Scalar:
    if value is None or isinstance(value, int | float):
        return value
    # Reasons and evidence quote what came from outside: a terminal must not obey it, and must be able to print it.
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value)[: TEXT_CHARACTERS_MAX + 1])
    return text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[: TEXT_CHARACTERS_MAX - 3]}..."
