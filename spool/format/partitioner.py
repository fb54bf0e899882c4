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
from aiokafka.partitioner import murmur2 as murmur2_of_one

from spool.format.record_columns import Bytes, Column, RecordColumns

NAME = "murmur2"

_SEED = 0x9747B28C
_M = np.uint32(0x5BD1E995)
_POSITIVE = np.uint32(0x7FFFFFFF)
# Below this many keys of one length plain integers are quicker than columns.
_FEW = 8


class Partitioner:
    """Partitions of the events of one log."""

    def __init__(self, log: str, partitions: int) -> None:
        if partitions < 1:
            raise ValueError(f"{partitions} partitions")
        self.partitions = partitions
        self._first = murmur2([log.encode()])[0]

    def of(self, keys: Sequence[bytes | None], offsets: Sequence[int]) -> list[int]:
        """The partition of each event, given the keys and the log offsets of the same events."""
        codes = iter(murmur2([key for key in keys if key is not None]))
        return [
            (self._first + offset if key is None else next(codes)) % self.partitions
            for key, offset in zip(keys, offsets, strict=True)
        ]

    def of_columns(self, columns: RecordColumns) -> Column:
        """The same for records as columns."""
        code = self._first + columns.offset
        if self.partitions > 1:
            view = np.frombuffer(columns.data, np.uint8)
            for length in np.unique(columns.key_bytes).tolist():
                if length >= 0:
                    rows = np.flatnonzero(columns.key_bytes == length)
                    keys = view[columns.key_at[rows][:, None] + np.arange(length)]
                    code[rows] = _murmur2_of_one_length(keys)
        return code % self.partitions


def murmur2(keys: Sequence[bytes]) -> list[int]:
    """Kafka's murmur2 of each key with the sign bit cleared (`Utils.toPositive`)."""
    result = [0] * len(keys)
    for length, places in _by_length(keys).items():
        joined = b"".join([keys[place] for place in places])
        codes = _murmur2_of_one_length(np.frombuffer(joined, np.uint8).reshape(len(places), length))
        for place, code in zip(places, codes.tolist(), strict=True):
            result[place] = code
    return result


def _by_length(keys: Iterable[bytes]) -> dict[int, list[int]]:
    places: defaultdict[int, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[len(key)].append(place)
    return places


def _murmur2_of_one_length(rows: Bytes) -> npt.NDArray[np.uint32]:
    key_count, length = rows.shape
    if key_count < _FEW:
        return np.array([murmur2_of_one(key.tobytes()) & int(_POSITIVE) for key in rows], np.uint32)
    # Arithmetic on uint32 arrays wraps around, which is what the algorithm asks for.
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
