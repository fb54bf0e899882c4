"""
Lines from a pipe or a file, bounded in size, that let go of the reader while nothing comes.

A slow pipe must not keep five lines from being appended until it sends the thousandth, and a line of a gigabyte must
not be held in memory to be refused.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from spool.event import EVENT_BYTES_MAX

# A stop is noticed, and what came is appended, this long after the last byte.
IDLE_S = 0.2
_READ_BYTES = 64 * 1024


class Pause(Enum):
    """What comes in the place of a line."""

    IDLE = "nothing came for a moment"
    STOPPED = "somebody asked to stop: what was read of a line or group is left out"


class Overlong(NamedTuple):
    """A line that was longer than the limit; its bytes are gone."""

    size_bytes: int


Line = bytes | Overlong | Pause


def read_lines(
    descriptor: int, *, is_stopped: Callable[[], bool], line_bytes_max: int = EVENT_BYTES_MAX, idle_s: float = IDLE_S
) -> Iterator[Line]:
    """
    The lines of a descriptor, each with its newline (the last may lack it), until its end.

    IDLE comes each time nothing came for `idle_s`; STOPPED once, as the last, when `is_stopped` says so. A line of more
    than `line_bytes_max` bytes comes as Overlong. Memory is bounded by the longest line that is allowed. OSError.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    splitter = _Splitter(line_bytes_max)
    while not is_stopped():
        if not poll.poll(idle_s * 1000):
            yield Pause.IDLE
            continue
        data = os.read(descriptor, _READ_BYTES)
        if not data:
            yield from splitter.rest()
            return
        yield from splitter.lines(data)
    yield Pause.STOPPED


class _Splitter:
    """Bytes as they come, into lines."""

    def __init__(self, line_bytes_max: int) -> None:
        self._limit = line_bytes_max
        self._begun = bytearray()
        self._size = 0  # of the line that was begun, with the bytes that were let go

    def lines(self, data: bytes) -> Iterator[bytes | Overlong]:
        start = 0
        while (end := data.find(b"\n", start) + 1) > 0:
            self._add(data[start:end])
            yield self._taken()
            start = end
        self._add(data[start:])

    def rest(self) -> Iterator[bytes | Overlong]:
        if self._size:
            yield self._taken()

    def _add(self, data: bytes) -> None:
        self._size += len(data)
        # One byte more is kept for the newline.
        if self._size <= self._limit + 1:
            self._begun += data
        else:
            self._begun.clear()

    def _taken(self) -> bytes | Overlong:
        size, line = self._size, bytes(self._begun)
        self._size = 0
        self._begun.clear()
        return line if len(line) == size and size - line.endswith(b"\n") <= self._limit else Overlong(size)
