"""What a reader of Kafka saw of one log, position by position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Range = tuple[int, int]


class SeenLog:
    """
    One log's positions as they come. A byte an offset: 5 million events take 5 MB.

    doubled       an offset seen twice within one generation
    out_of_order  an offset below the last one of its partition, within one generation
    """

    def __init__(self) -> None:
        self._generations: dict[int, bytearray] = {}
        self._last: dict[tuple[int, int], int] = {}
        self.doubled = 0
        self.out_of_order = 0

    def add(self, generation: int, partition: int, offset: int) -> None:
        marks = self._generations.get(generation)
        if marks is None:
            marks = self._generations[generation] = bytearray()
        if offset >= len(marks):
            marks.extend(bytes(max(offset + 1, len(marks) * 2, 4096) - len(marks)))
        if marks[offset]:
            self.doubled += 1
        marks[offset] = 1
        lane = (generation, partition)
        if offset < self._last.get(lane, -1):
            self.out_of_order += 1
        self._last[lane] = offset

    def count(self, first: int, after: int) -> int:
        """Offsets of a range seen in any generation."""
        return (after - first) - sum(b - a for a, b in self.unseen(first, after))

    def unseen(self, first: int, after: int) -> Iterator[Range]:
        """The runs of a range that no generation has."""
        marks = self._union(first, after)
        at = marks.find(0)
        while at >= 0:
            end = marks.find(1, at)
            end = len(marks) if end < 0 else end
            yield first + at, first + end
            at = marks.find(0, end)

    def _union(self, first: int, after: int) -> bytes:
        total = 0
        for marks in self._generations.values():
            part = bytes(marks[first:after]).ljust(after - first, b"\0")
            total |= int.from_bytes(part, "big")
        return total.to_bytes(after - first, "big")


def without(ranges: Sequence[Range], holes: Sequence[Range]) -> list[Range]:
    """The parts of `ranges` that no hole covers, in order."""
    left = sorted(ranges)
    for low, high in sorted(holes):
        left = [
            part
            for first, after in left
            for part in ((first, min(after, low)), (max(first, high), after))
            if part[0] < part[1]
        ]
    return left


def size(ranges: Sequence[Range]) -> int:
    return sum(after - first for first, after in ranges)


def overlap(ranges: Sequence[Range]) -> int:
    """Offsets that more than one of the ranges covers, counted once for each further one."""
    covered = reach = 0
    for first, after in sorted(ranges):
        covered += max(0, min(reach, after) - first)
        reach = max(reach, after)
    return covered
