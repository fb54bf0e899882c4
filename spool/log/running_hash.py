"""The sha256 of the open segment, taken as it grows, so that a seal need not read the segment again."""

from __future__ import annotations

import hashlib
import os


class RunningHash:
    """What this process wrote is hashed from memory; what another process wrote is read when the hash is asked for."""

    def __init__(self) -> None:
        self._segment = -1
        self._end = 0
        self._hash = hashlib.sha256()

    def follow(self, segment: int, descriptor: int, synced_end: int, frame: bytes | bytearray) -> None:
        """
        `frame` was written behind `synced_end`, and is durable and noted: nothing that fails here may say otherwise.

        What cannot be read now is left to `digest`.
        """
        if self._segment != segment:
            self._begin(segment)
            try:
                self._read(descriptor, synced_end)
            except OSError:
                return
        if self._end == synced_end:
            self._hash.update(frame)
            self._end = synced_end + len(frame)

    def digest(self, segment: int, descriptor: int, synced_end: int) -> str:
        """Of the segment up to `synced_end`. OSError where it cannot be read."""
        if self._segment != segment or self._end > synced_end:
            self._begin(segment)
        self._read(descriptor, synced_end)
        return self._hash.hexdigest()

    def _begin(self, segment: int) -> None:
        self._segment, self._end, self._hash = segment, 0, hashlib.sha256()

    def _read(self, descriptor: int, end: int) -> None:
        while self._end < end:
            data = os.pread(descriptor, end - self._end, self._end)
            if not data:
                raise OSError(f"segment {self._segment} ends at byte {self._end}, {end} were synced")
            self._hash.update(data)
            self._end += len(data)
