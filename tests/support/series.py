"""
Exhaustive series: an accident at each byte, each call, each change of the disk.

`make test-long` plays all of them. `make test` plays the first, the last and every third, beginning at another one in
each variant, so that the variants of a series (three modes of power loss, five errors) together meet every place.
A test with a series is marked `series`, so that `make test-long` finds it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from itertools import count
from typing import TypeVar

Place = TypeVar("Place")

# `make test-long` and `make mutants` set it.
VARIABLE = "SPILLWAY_WHOLE_SERIES"
STRIDE = 3


def is_whole() -> bool:
    return os.environ.get(VARIABLE) == "1"


def some(places: Sequence[Place], variant: int | str = 0) -> list[Place]:
    """The places of this run, in order: all, or the first, the last and every STRIDE-th."""
    last = len(places) - 1
    return [place for n, place in enumerate(places) if n in (0, last) or _is_met(n, variant)]


def numbers(variant: int | str = 0) -> Iterator[int]:
    """0, 1, 2 and so on without an end, or 0 and every STRIDE-th: for a series whose length shows as it is played."""
    return (n for n in count() if n == 0 or _is_met(n, variant))


def _is_met(n: int, variant: int | str) -> bool:
    first = zlib.crc32(variant.encode()) if isinstance(variant, str) else variant
    return is_whole() or n % STRIDE == first % STRIDE
