"""
What an archived segment is, and the JSON that its footer says it in. Pure.

    version          1; another one is refused
    stream log segment first next                  whose segment this is and its offsets, `next` exclusive
    partitions partitioner                         what the batches were laid out for
    source_sha256 previous_sha256                  of the sealed local segment and of the one before it
    after            null or [log, segment]: the log this one continues
    holes            [[first, next, reason], ...]  offsets that no event has
    chunks           [[first, next, min time ms, max time ms, events, [batch, ...]], ...]
       batch         [partition, size in bytes, events, first offset, last offset]
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from spool.errors import CorruptObject
from spool.event import NAME
from spool.format.scan import Hole

__all__ = ["ArchivedSegment", "Chunk", "Hole", "Index", "StoredBatch", "from_json", "to_json"]

VERSION = 1


class StoredBatch(NamedTuple):
    """A record batch for one partition. The offsets are the log's, of its first and last event."""

    partition: int
    data: bytes | memoryview
    event_count: int
    first_offset: int
    last_offset: int


class Chunk(NamedTuple):
    """Whole commits; never divided. Per partition, batches stand in the order of the log."""

    first_offset: int
    next_offset: int
    min_time_ms: int
    max_time_ms: int
    batches: tuple[StoredBatch, ...]
    event_count: int


class ArchivedSegment(NamedTuple):
    """A whole object, or its index: then the batches' `data` is empty."""

    stream: str
    log: str
    segment: int
    first_offset: int
    next_offset: int
    partitions: int
    partitioner: str
    source_sha256: str
    previous_sha256: str
    after: tuple[str, int] | None
    holes: tuple[Hole, ...]
    chunks: tuple[Chunk, ...]

    @property
    def event_count(self) -> int:
        return sum(chunk.event_count for chunk in self.chunks)


class Index(NamedTuple):
    """A footer: the segment without its batches' data, and their sizes in the order of the object."""

    segment: ArchivedSegment
    sizes: tuple[int, ...]


def to_json(segment: ArchivedSegment) -> bytes:
    """The same segment gives the same bytes."""
    document = {
        "version": VERSION,
        "stream": segment.stream,
        "log": segment.log,
        "segment": segment.segment,
        "first": segment.first_offset,
        "next": segment.next_offset,
        "partitions": segment.partitions,
        "partitioner": segment.partitioner,
        "source_sha256": segment.source_sha256,
        "previous_sha256": segment.previous_sha256,
        "after": segment.after,
        "holes": segment.holes,
        "chunks": [
            [
                chunk.first_offset, chunk.next_offset, chunk.min_time_ms, chunk.max_time_ms, chunk.event_count,
                [[b.partition, len(b.data), b.event_count, b.first_offset, b.last_offset] for b in chunk.batches],
            ]
            for chunk in segment.chunks
        ],
    }  # fmt: skip
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def from_json(data: bytes) -> Index:
    """CorruptObject where a field is missing, of a wrong kind, or contradicts another."""
    try:
        document = json.loads(data)
        if (version := document["version"]) != VERSION:
            raise CorruptObject(
                f"object of format version {version}, this program reads {VERSION}",
                hint="a newer version of this program wrote it: upgrade this one; nothing is wrong with the object",
            )
        index = _index(document)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptObject(f"its footer is not as it should be: {type(error).__name__}: {error}") from error
    _check(index)
    return index


def _index(document: dict[str, Any]) -> Index:
    after = document["after"]
    segment = ArchivedSegment(
        stream=str(document["stream"]),
        log=str(document["log"]),
        segment=int(document["segment"]),
        first_offset=int(document["first"]),
        next_offset=int(document["next"]),
        partitions=int(document["partitions"]),
        partitioner=str(document["partitioner"]),
        source_sha256=str(document["source_sha256"]),
        previous_sha256=str(document["previous_sha256"]),
        after=None if after is None else (str(after[0]), int(after[1])),
        holes=tuple(Hole(int(first), int(next_), str(reason)) for first, next_, reason in document["holes"]),
        chunks=tuple(_chunk(chunk) for chunk in document["chunks"]),
    )
    return Index(segment, tuple(int(b[1]) for chunk in document["chunks"] for b in chunk[5]))


def _chunk(items: list[Any]) -> Chunk:
    first, next_, min_time_ms, max_time_ms, event_count, batches = items
    stored = (StoredBatch(int(p), b"", int(n), int(low), int(high)) for p, _size, n, low, high in batches)
    return Chunk(int(first), int(next_), int(min_time_ms), int(max_time_ms), tuple(stored), int(event_count))


def _check(index: Index) -> None:
    segment = index.segment
    if not NAME.match(segment.stream) or not NAME.match(segment.log):
        raise CorruptObject(f"its footer names stream {segment.stream!r}, log {segment.log!r}")
    at = segment.first_offset
    for chunk in segment.chunks:
        if not at <= chunk.first_offset < chunk.next_offset:
            raise CorruptObject(f"chunk of offsets {chunk.first_offset} to {chunk.next_offset} after offset {at}")
        if chunk.event_count != sum(stored.event_count for stored in chunk.batches):
            raise CorruptObject(
                f"chunk at offset {chunk.first_offset}: events of its batches are not those of the chunk"
            )
        for stored in chunk.batches:
            if not chunk.first_offset <= stored.first_offset <= stored.last_offset < chunk.next_offset:
                raise CorruptObject(f"chunk at offset {chunk.first_offset} holds a batch from {stored.first_offset}")
            if not 0 <= stored.partition < segment.partitions:
                raise CorruptObject(f"batch for partition {stored.partition} of {segment.partitions}")
        at = chunk.next_offset
    if at > segment.next_offset:
        raise CorruptObject(f"its chunks end at offset {at}, the segment at {segment.next_offset}")
    held = segment.event_count + sum(hole.next - hole.first for hole in segment.holes)
    if held != segment.next_offset - segment.first_offset:
        raise CorruptObject(
            f"offsets {segment.first_offset} to {segment.next_offset}, but {held} events and holes: some are missing"
        )
