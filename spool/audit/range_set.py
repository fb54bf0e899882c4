"""Sets of offsets as ranges: a billion offsets in a row cost as much as one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]
"""Offsets from the first up to, not including, the second."""


class RangeSet:
    """Disjoint ranges in ascending order; neighbours that touch are one. Adding at the end costs the least."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._firsts: list[int] = []
        self._afters: list[int] = []
        for first, after in ranges:
            self.add(first, after)

    def add(self, first: int, after: int) -> int:
        """Take a range in; how many of its offsets were there already."""
        if after <= first:
            return 0
        if not self._afters or first > self._afters[-1]:
            self._firsts.append(first)
            self._afters.append(after)
            return 0
        low = bisect_left(self._afters, first)
        high = bisect_right(self._firsts, after)
        already = size(self._clipped(low, high, first, after))
        if low < high:
            first = min(first, self._firsts[low])
            after = max(after, self._afters[high - 1])
        self._firsts[low:high] = [first]
        self._afters[low:high] = [after]
        return already

    def join_first(self, number: int) -> None:
        """Merge the first ranges and the gaps between them into one: bounds the memory of a growing set."""
        self._firsts[:number] = self._firsts[:1]
        self._afters[:number] = self._afters[number - 1 : number]

    def within(self, first: int, after: int) -> list[Range]:
        """The parts of a range that are in the set."""
        return list(self._clipped(bisect_right(self._afters, first), bisect_left(self._firsts, after), first, after))

    def within_all(self, ranges: Iterable[Range]) -> list[Range]:
        """The parts of some ranges that are in the set, in their order."""
        return [part for first, after in ranges for part in self.within(first, after)]

    def missing(self, first: int, after: int) -> Iterator[Range]:
        """The parts of a range that are not in the set."""
        at = first
        for low, high in self.within(first, after):
            if at < low:
                yield at, low
            at = high
        if at < after:
            yield at, after

    def __contains__(self, offset: int) -> bool:
        number = bisect_right(self._firsts, offset) - 1
        return number >= 0 and offset < self._afters[number]

    def __iter__(self) -> Iterator[Range]:
        return zip(self._firsts, self._afters, strict=True)

    def __len__(self) -> int:
        """The number of ranges."""
        return len(self._firsts)

    def _clipped(self, low: int, high: int, first: int, after: int) -> Iterator[Range]:
        for number in range(low, high):
            yield max(first, self._firsts[number]), min(after, self._afters[number])


def without(ranges: Iterable[Range], holes: Iterable[Range]) -> list[Range]:
    """The parts of `ranges` that no hole covers, in order."""
    taken = holes if isinstance(holes, RangeSet) else RangeSet(holes)
    return [part for first, after in sorted(ranges) for part in taken.missing(first, after)]


def size(ranges: Iterable[Range]) -> int:
    """How many offsets the ranges cover together; one that is in two of them counts twice."""
    return sum(max(0, after - first) for first, after in ranges)
