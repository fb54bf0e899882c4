"""
Which partition an event belongs to: Kafka's default for keys (murmur2, as the Java client computes it), so that other
producers put the same key into the same partition.

An event without a key gets a partition that depends on its log and offset only: laying a segment out twice, or on
another host, gives the same bytes. Offsets are dense, so counting them round spreads evenly.

murmur2 by Austin Appleby; the constants and the reading of the tail are those of org.apache.kafka.common.utils.Utils.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

NAME = "murmur2"

_SEED = 0x9747B28C
_M = np.uint32(0x5BD1E995)
_POSITIVE = np.uint32(0x7FFFFFFF)
# Bounds the memory of a Partitioner: past this it starts anew, so it holds this and the keys of one commit.
CACHED_BYTES_MAX = 8 * 1024 * 1024
_ENTRY_BYTES = 150  # a bytes object and its place in a dict, besides the key itself


class Partitioner:
    """Partitions of the events of one log. Remembers the keys it saw lately; not for use by several threads."""

    def __init__(self, log: str, partitions: int) -> None:
        if partitions < 1:
            raise ValueError(f"{partitions} partitions")
        self._partitions = partitions
        self._first = murmur2([log.encode()])[0]
        self._known: dict[bytes | None, int] = {}
        self._known_bytes = 0

    def of(self, keys: Sequence[bytes | None], offsets: Sequence[int]) -> list[int]:
        """The partition of each event, given the keys and the log offsets of the same events."""
        if self._partitions == 1:
            return [0] * len(keys)
        self._learn(keys)
        known, first, partitions = self._known, self._first, self._partitions
        return [
            (first + offset) % partitions if key is None else known[key]
            for key, offset in zip(keys, offsets, strict=True)
        ]

    def _learn(self, keys: Sequence[bytes | None]) -> None:
        if self._known_bytes > CACHED_BYTES_MAX:
            self._known.clear()
            self._known_bytes = 0
        new = [key for key in set(keys).difference(self._known) if key is not None]
        for key, code in zip(new, murmur2(new), strict=True):
            self._known[key] = code % self._partitions
        self._known_bytes += sum(map(len, new)) + len(new) * _ENTRY_BYTES


def murmur2(keys: Sequence[bytes]) -> list[int]:
    """Kafka's murmur2 of each key with the sign bit cleared (`Utils.toPositive`)."""
    result = [0] * len(keys)
    for length, places in _by_length(keys).items():
        codes = _murmur2_of_one_length(b"".join([keys[place] for place in places]), len(places), length)
        for place, code in zip(places, codes.tolist(), strict=True):
            result[place] = code
    return result


def _by_length(keys: Iterable[bytes]) -> dict[int, list[int]]:
    places: defaultdict[int, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[len(key)].append(place)
    return places


def _murmur2_of_one_length(joined: bytes, key_count: int, length: int) -> npt.NDArray[np.uint32]:
    # Arithmetic on uint32 arrays wraps around, which is what the algorithm asks for.
    rows = np.frombuffer(joined, np.uint8).reshape(key_count, length)
    words = np.ascontiguousarray(rows[:, : length & ~3]).view("<u4").astype(np.uint32, copy=False)
    code = np.full(key_count, (_SEED ^ length) & 0xFFFFFFFF, np.uint32)
    for column in range(length // 4):
        word = words[:, column] * _M
        word ^= word >> np.uint32(24)
        word *= _M
        code *= _M
        code ^= word
    if tail := length & 3:
        for place in range(tail):
            code ^= rows[:, (length & ~3) + place].astype(np.uint32) << np.uint32(8 * place)
        code *= _M
    code ^= code >> np.uint32(13)
    code *= _M
    code ^= code >> np.uint32(15)
    return code & _POSITIVE
