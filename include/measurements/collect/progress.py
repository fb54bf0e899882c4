"""Reads what `rsync --info=progress2,stats2 --no-h` prints, and tells the task log now and then."""

from __future__ import annotations

import logging
import re
import time
from typing import NamedTuple

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
    """Give every line of output to `line`; `transferred` is the sum at the end."""

    def __init__(self, collector: str, batch: str) -> None:
        self._of = f"{collector}/{batch}"
        self._next_s = time.monotonic() + EVERY_S
        self._files = self._bytes = 0

    @property
    def transferred(self) -> Transferred:
        return Transferred(self._files, self._bytes)

    def line(self, text: str) -> None:
        if match := _TRANSFERRED.match(text):
            self._files = int(match[1])
        elif match := _RECEIVED.match(text):
            self._bytes = int(match[1])
        elif (match := _PROGRESS.match(text)) and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + EVERY_S
            size, rate, to_check, files = match.group(1, 2, 4, 5)
            LOGGER.info("fetching %s: %s bytes, %s, files to check: %s of %s", self._of, size, rate, to_check, files)
