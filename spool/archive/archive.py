"""
Reading the archive: which logs there are, which segments of a log, and what is in one.

Objects are immutable and numbered densely from the log's floor, so one of a known number is asked for by its name;
listings serve to find logs, and to see gaps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

from spool.archive.floors import Floor, raise_floor, read_floor
from spool.errors import CorruptObject
from spool.event import NAME
from spool.format.object_format import decode_index, decode_object, footer_size
from spool.format.segment_index import ArchivedSegment
from spool.names import LogName
from spool.store.keys import log_prefix, parse_segment_key, segment_key
from spool.store.object_store import ObjectStore

# Enough for the footer of an object of 16 MB with four partitions in one request.
INDEX_TAIL_BYTES = 64 * 1024
# Metadata of each object: the sha256 of the sealed segment that it was made of, as noted when it was sealed.
SOURCE_SHA256 = "source-sha256"


class Archive:
    """
    The logs below one root of an object store. Holds nothing but the two: as cheap to make as it is to share.

    Every method raises StoreUnavailable (try again) or StoreRefused (a person is needed), besides what it names.
    """

    def __init__(self, store: ObjectStore, root: str) -> None:
        self.store = store
        self.root = root

    def logs(self, stream: str | None = None) -> list[LogName]:
        """The logs that have, or had, segments here; of one stream, or of all."""
        streams = [stream] if stream else [name for name in self.store.folders(f"{self.root}/") if NAME.match(name)]
        return [
            LogName(name, log)
            for name in streams
            for log in self.store.folders(f"{self.root}/{name}/")
            if NAME.match(log)
        ]

    def segments(self, name: LogName, start: int = 0) -> Iterator[int]:
        """
        The segment numbers from `start` on, ascending; other keys are left out.

        A gap in them is one of the archive. Numbers below the floor do not count: retention is removing them. The
        floor is read behind the first number only: a look that lists nothing costs nothing else.
        """
        after = self.key(name, start - 1) if start > 0 else ""
        floor = -1
        for listed in self.store.list(log_prefix(self.root, *name), start_after=after):
            key = parse_segment_key(self.root, listed.key)
            if key is None:
                continue
            if floor < 0:
                floor = self.floor(name).segment
            if key.segment >= max(start, floor):
                yield key.segment

    def read(self, name: LogName, segment: int) -> ArchivedSegment:
        """The whole object, every byte checked. ObjectMissing; CorruptObject names the key."""
        key = self.key(name, segment)
        try:
            archived = decode_object(self.store.get(key).body)
        except CorruptObject as error:
            raise _with_key(key, error) from error
        return _checked(key, archived, name, segment)

    def from_offset(self, name: LogName, offset: int) -> Iterator[ArchivedSegment]:
        """The segments that hold `offset` and what follows, whole; the first is found by halving over the footers."""
        numbers = list(self.segments(name))
        first = bisect_right(numbers, offset, key=lambda number: self.index(name, number).next_offset)
        for number in islice(numbers, first, None):
            yield self.read(name, number)

    def index(self, name: LogName, segment: int) -> ArchivedSegment:
        """Only the footer: the batches' `data` is empty. ObjectMissing; CorruptObject names the key."""
        key = self.key(name, segment)
        try:
            tail = self.store.get_tail(key, INDEX_TAIL_BYTES)
            archived = decode_index(tail)
            if archived is None:
                archived = decode_index(self.store.get_tail(key, footer_size(tail)))
            if archived is None:
                raise CorruptObject("shorter than its footer")
        except CorruptObject as error:
            raise _with_key(key, error) from error
        return _checked(key, archived, name, segment)

    def source_sha256(self, name: LogName, segment: int) -> str:
        """
        Of which sealed segment the object was made. ObjectMissing; CorruptObject where it is no segment.

        One HEAD request. Metadata does not survive every copy of a bucket; then the footer holds the same.
        """
        noted = self.store.metadata(self.key(name, segment)).get(SOURCE_SHA256)
        return noted or self.index(name, segment).source_sha256

    def floor(self, name: LogName) -> Floor:
        """Where the log begins here: its first segment has this number. CorruptObject as in `read_floor`."""
        return read_floor(self.store, self.root, name)

    def raise_floor(self, name: LogName, segment: int) -> Floor:
        """As `floors.raise_floor`: durable when it returns, never lowered."""
        return raise_floor(self.store, self.root, name, segment)

    def key(self, name: LogName, segment: int) -> str:
        """The object's key. ValueError for a name or a number that no key can hold."""
        return segment_key(self.root, name.stream, name.log, segment)


def _checked(key: str, archived: ArchivedSegment, name: LogName, segment: int) -> ArchivedSegment:
    if (archived.stream, archived.log, archived.segment) != (*name, segment):
        raise CorruptObject(f"{key}: holds segment {archived.segment} of {archived.stream}/{archived.log}")
    return archived


def _with_key(key: str, error: CorruptObject) -> CorruptObject:
    return CorruptObject(
        f"{key}: {error}", hint=error.hint or "the object is not what was put: restore it from a backup"
    )
