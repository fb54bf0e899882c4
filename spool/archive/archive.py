"""
Reading the archive: which logs there are, which segments of a log, and what is in one.

Objects are immutable and numbered densely, so one of a known number is asked for by its name; listings serve to find
logs, and to see gaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from spool.errors import CorruptObject
from spool.event import NAME
from spool.format.object_format import decode_index, decode_object, footer_size
from spool.format.segment_index import ArchivedSegment
from spool.store.keys import log_prefix, parse_segment_key, segment_key
from spool.store.object_store import ObjectStore

# Enough for the footer of an object of 16 MB with four partitions in one request.
INDEX_TAIL_BYTES = 64 * 1024


class LogName(NamedTuple):
    """A log of the archive."""

    stream: str
    log: str


def list_logs(store: ObjectStore, root: str, stream: str | None = None) -> list[LogName]:
    """The logs that have, or had, segments here; of one stream, or of all."""
    streams = [stream] if stream else [name for name in store.folders(f"{root}/") if NAME.match(name)]
    return [LogName(name, log) for name in streams for log in store.folders(f"{root}/{name}/") if NAME.match(log)]


def segments(store: ObjectStore, root: str, stream: str, log: str, start: int = 0) -> Iterator[int]:
    """The segment numbers from `start` on, ascending; a gap in them is one of the archive. Other keys are left out."""
    prefix = log_prefix(root, stream, log)
    after = segment_key(root, stream, log, start - 1) if start > 0 else ""
    for found in store.list(prefix, start_after=after):
        key = parse_segment_key(root, found.key)
        if key is not None and key.segment >= start:
            yield key.segment


def read_segment(store: ObjectStore, root: str, stream: str, log: str, segment: int) -> ArchivedSegment:
    """The whole object, every byte checked. ObjectMissing; CorruptObject names the key."""
    key = segment_key(root, stream, log, segment)
    return decode_named(key, store.get(key).body, (stream, log, segment))


def decode_named(key: str, body: bytes, name: tuple[str, str, int]) -> ArchivedSegment:
    """`decode_object`, and a check that the object is the one its key says. CorruptObject names the key."""
    try:
        archived = decode_object(body)
    except CorruptObject as error:
        raise _named(key, error) from error
    return _checked(key, archived, name)


def read_index(store: ObjectStore, root: str, stream: str, log: str, segment: int) -> ArchivedSegment:
    """Only the footer: the batches' `data` is empty. ObjectMissing; CorruptObject names the key."""
    key = segment_key(root, stream, log, segment)
    try:
        tail = store.get_tail(key, INDEX_TAIL_BYTES)
        archived = decode_index(tail)
        if archived is None:
            archived = decode_index(store.get_tail(key, footer_size(tail)))
        if archived is None:
            raise CorruptObject("shorter than its footer")
    except CorruptObject as error:
        raise _named(key, error) from error
    return _checked(key, archived, (stream, log, segment))


def _checked(key: str, archived: ArchivedSegment, name: tuple[str, str, int]) -> ArchivedSegment:
    if (archived.stream, archived.log, archived.segment) != name:
        raise CorruptObject(f"{key}: holds segment {archived.segment} of {archived.stream}/{archived.log}")
    return archived


def _named(key: str, error: CorruptObject) -> CorruptObject:
    return CorruptObject(
        f"{key}: {error}", hint=error.hint or "the object is not what was put: restore it from a backup"
    )
