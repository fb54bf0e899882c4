"""A stretch of text or bytes that must not go out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Span(NamedTuple):
    start: int
    end: int


def joined(spans: Iterable[Span]) -> Iterator[Span]:
    """In order, with those that touch or overlap made one."""
    last: Span | None = None
    for span in sorted(spans):
        if last is None:
            last = span
        elif span.start <= last.end:
            last = Span(last.start, max(last.end, span.end))
        else:
            yield last
            last = span
    if last is not None:
        yield last
