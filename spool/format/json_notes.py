"""
The JSON notes beside the events: checkpoints, deliveries, markers, dead letters. Pure.

They are stored where others can write, so anything that is not a note of this program is one error that names the note.
A field that this program does not know is left out: within a version, notes only ever gain fields.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from spool.errors import CorruptRecord

T = TypeVar("T")

Document = dict[str, Any]
# What a document of the wrong shape raises while it is taken apart.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)


def read_note(data: bytes, what: str, build: Callable[[Document], T], *, hint: str) -> T:
    """`build` applied to the document. CorruptRecord names `what` where the text or a field is not as it should be."""
    try:
        document = json.loads(data)
        if not isinstance(document, dict):
            raise TypeError(f"a JSON {type(document).__name__}")
        return build(document)
    except _MALFORMED as error:
        raise CorruptRecord(f"{what} is not as it should be: {type(error).__name__}: {error}", hint=hint) from error


def demand_version(document: Document, version: int) -> None:
    """ValueError where the document is of another version."""
    if document["version"] != version:
        raise ValueError(f"version {document['version']!r}, this program reads {version}")


def number(value: object) -> int:
    """A whole number from 0 on that fits 63 bits, as offsets and counts are. TypeError, ValueError."""
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    if not 0 <= value < 1 << 63:
        raise ValueError(f"{value} is no offset or count")
    return value


def text(value: object) -> str:
    """TypeError where it is none."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def ranges(value: Sequence[Sequence[object]]) -> tuple[tuple[int, int], ...]:
    """Pairs of offsets, the second exclusive and not below the first. TypeError, ValueError."""
    pairs = tuple((number(first), number(after)) for first, after in value)
    for first, after in pairs:
        if after < first:
            raise ValueError(f"the range {first} to {after} runs backwards")
    return pairs
