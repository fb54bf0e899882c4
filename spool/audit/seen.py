"""What a reader of Kafka saw of one log, position by position."""

from __future__ import annotations

from collections.abc import Iterator

from spool.audit.range_set import Range

_PAGE = 1 << 16


class SeenLog:
    """
    One log's positions as they come: a byte an offset in pages, and nothing for a page that was seen whole. Where the
    offsets begin costs nothing. The caller keeps out offsets and generations that the log does not have.

    doubled       an offset seen twice within one generation
    out_of_order  an offset below the last one of its partition, within one generation
    """

    def __init__(self) -> None:
        self._generations: dict[int, dict[int, bytearray | None]] = {}
        self._marked: dict[tuple[int, int], int] = {}
        self._last: dict[tuple[int, int], int] = {}
        self.doubled = 0
        self.out_of_order = 0

    def add(self, generation: int, partition: int, offset: int) -> None:
        pages = self._generations.setdefault(generation, {})
        number, place = divmod(offset, _PAGE)
        if number not in pages:
            pages[number] = bytearray(_PAGE)
        marks = pages[number]
        if marks is None or marks[place]:
            self.doubled += 1
        else:
            marks[place] = 1
            self._mark(pages, generation, number)
        lane = (generation, partition)
        if offset < self._last.get(lane, -1):
            self.out_of_order += 1
        self._last[lane] = offset

    def unseen(self, first: int, after: int) -> Iterator[Range]:
        """The runs of a range that no generation has."""
        begun: int | None = None
        for low, high, is_seen in self._runs(first, after):
            if is_seen and begun is not None:
                yield begun, low
                begun = None
            elif not is_seen and begun is None:
                begun = low
            after = high
        if begun is not None:
            yield begun, after

    def _mark(self, pages: dict[int, bytearray | None], generation: int, number: int) -> None:
        marked = self._marked.pop((generation, number), 0) + 1
        if marked == _PAGE:
            pages[number] = None
        else:
            self._marked[generation, number] = marked

    def _runs(self, first: int, after: int) -> Iterator[tuple[int, int, bool]]:
        """The range in pieces of which all or nothing was seen."""
        for number in range(first // _PAGE, -(-after // _PAGE)):
            start = number * _PAGE
            low, high = max(first, start), min(after, start + _PAGE)
            marks = self._union(number, low - start, high - start)
            at = 0
            while at < len(marks):
                end = marks.find(1 - marks[at], at)
                end = len(marks) if end < 0 else end
                yield low + at, low + end, bool(marks[at])
                at = end

    def _union(self, number: int, first: int, after: int) -> bytes:
        """A byte an offset of one page's part."""
        total = 0
        for pages in self._generations.values():
            if number not in pages:
                continue
            marks = pages[number]
            if marks is None:
                return b"\1" * (after - first)
            total |= int.from_bytes(marks[first:after], "big")
        return total.to_bytes(after - first, "big")
