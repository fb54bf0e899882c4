"""What the archive holds of each log, for readers of all of them: damage to one log hides no other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

from spool.archive.archive import Archive
from spool.errors import CorruptObject, ObjectMissing
from spool.format.segment_index import ArchivedSegment
from spool.names import LogName

LOGGER = logging.getLogger(__name__)


class LogExtent(NamedTuple):
    """
    first, last  the lowest and highest segment number that is there; None where none is
    objects      how many are there
    missing      how many are not, between the log's floor and `last`: each is a gap, and replay stops before it
    newest       the footer of `last`; None where it cannot be read, which is logged
    """

    name: LogName
    first: int | None
    last: int | None
    objects: int
    missing: int | None
    newest: ArchivedSegment | None


def log_extents(archive: Archive, stream: str | None = None) -> Iterator[LogExtent]:
    """
    Of one stream's logs, or of all. StoreUnavailable, StoreRefused.

    `missing` is None where the log's floor cannot be read, which is logged.
    """
    for name in archive.logs(stream):
        try:
            yield _extent(archive, name)
        except CorruptObject as error:
            LOGGER.warning("%s: %s", name, error)
            yield LogExtent(name, None, None, 0, None, None)


def _extent(archive: Archive, name: LogName) -> LogExtent:
    numbers = list(archive.segments(name))
    if not numbers:
        return LogExtent(name, None, None, 0, 0, None)
    first, last = numbers[0], numbers[-1]
    # Read after the listing, as it may be raised meanwhile; never above what was listed.
    begin = min(archive.floor(name).segment, first)
    return LogExtent(name, first, last, len(numbers), last + 1 - begin - len(numbers), _newest(archive, name, last))


def _newest(archive: Archive, name: LogName, segment: int) -> ArchivedSegment | None:
    try:
        return archive.index(name, segment)
    except (CorruptObject, ObjectMissing) as error:
        LOGGER.warning("%s: %s", name, error)
        return None
