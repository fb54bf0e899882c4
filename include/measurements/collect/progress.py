"""Reads what `rsync --info=progress2,stats2 --no-h` prints: limits it, and logs it now and then."""

from __future__ import annotations

import logging
import re
import time
from typing import NamedTuple

from include.measurements.collect.errors import BatchRefused

LOGGER = logging.getLogger(__name__)

EVERY_S = 5.0

# Bytes so far, percent, rate, time, and how many files are still to be checked. The percentage counts bytes of the
# files found so far, so it may fall while rsync still looks for more (`ir-chk`); files do not.
_PROGRESS = re.compile(r"\s*(\d+)\s+\d+%\s+(\S+/s)\s+\d+:\d\d:\d\d(?:\s+\(xfr#(\d+), (?:ir|to)-chk=(\d+)/(\d+)\))?")
_TRANSFERRED = re.compile(r"Number of regular files transferred: (\d+)")
_RECEIVED = re.compile(r"Total transferred file size: (\d+) bytes")


class Transferred(NamedTuple):
    """What one rsync brought."""

    files: int
    size_bytes: int


class Progress:
    """
    Give every line of output to `line`; `transferred` is the sum at the end.

    `line` raises BatchRefused when more bytes came, or more files and folders are there, than a batch may have.
    """

    def __init__(self, collector: str, batch: str, *, bytes_max: int, entries_max: int) -> None:
        self._of = f"{collector}/{batch}"
        self._bytes_max, self._entries_max = bytes_max, entries_max
        self._next_s = time.monotonic() + EVERY_S
        self._files = self._bytes = 0

    @property
    def transferred(self) -> Transferred:
        return Transferred(self._files, self._bytes)

    def line(self, text: str) -> None:
        if match := _TRANSFERRED.match(text):
            self._files = _number(match[1])
        elif match := _RECEIVED.match(text):
            self._bytes = _number(match[1])
        elif match := _PROGRESS.match(text):
            size, rate, to_check, files = match.group(1, 2, 4, 5)
            self._check("bytes", size, self._bytes_max)
            self._check("files and folders", files or "0", self._entries_max)
            if time.monotonic() >= self._next_s:
                self._next_s = time.monotonic() + EVERY_S
                LOGGER.info("fetching %s: %s bytes, %s, to check: %s of %s", self._of, size, rate, to_check, files)

    def _check(self, what: str, number: str, most: int) -> None:
        # Compared as text first: int() refuses digits without end, and a host may send them.
        if len(number) > len(str(most)) or int(number) > most:
            raise BatchRefused(
                f"{self._of} has more than {most} {what}",
                hint="have the host stage smaller batches, or look at what it stages; nothing was deleted there",
            )


def _number(digits: str) -> int:
    # 18 digits hold any size there is; what is longer is not a number of rsync's.
    return int(digits[:18])
