"""
Reading commits out of bytes, and what to think of those that are none. Pure.

Every field of a frame that its CRC does not cover has a copy that it does cover (rule 1), and each is compared. At the
first bad frame the rest is searched for a later commit of this log:

    found                                      hole: the offsets between are gone, their bytes stay
    none, and the file ends within the frame   torn: the write never ended, nobody was answered
    none, but all of the frame's bytes there   suspected: it may have been acknowledged; its offsets are not used again
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from spool.event import COMMIT_EVENTS_MAX
from spool.format import record_batch
from spool.format.record_batch import BatchHeader
from spool.format.segment_header import COMMIT_NUMBERS

# leader epoch -1 and magic 2, at bytes 12 to 16 of every frame: where a search may look closer.
_MARK = b"\xff\xff\xff\xff\x02"
_MARK_AT = 12
# The smallest record: lengths, deltas and counts of one byte each. Bounds how many events damaged bytes can have held.
RECORD_BYTES_MIN = 7


class CommitAt(NamedTuple):
    """A whole commit and where it is."""

    start: int
    end: int
    first_offset: int
    next_offset: int
    number: int
    max_timestamp_ms: int


class Hole(NamedTuple):
    """Offsets that no event has and none will get."""

    first: int
    next: int
    reason: str


class Scan(NamedTuple):
    """
    What the bytes hold from the given place on.

    end          behind the last whole commit
    next_offset  the next that may be given out
    tail         what follows `end`: nothing, a torn write, or a suspected hole (its range is the last of `holes`)
    """

    commits: tuple[CommitAt, ...]
    holes: tuple[Hole, ...]
    end: int
    next_offset: int
    next_commit: int
    tail: Literal["clean", "torn", "suspected"]


class Expected(NamedTuple):
    """What the next commit has to say of itself."""

    tag: int
    offset: int
    number: int


def scan(data: bytes, start: int, expected: Expected) -> Scan:
    """All commits of `data` from byte `start` on."""
    commits: list[CommitAt] = []
    holes: list[Hole] = []
    at = start
    while at < len(data):
        commit = commit_at(data, at, expected)
        if commit is None:
            commit = _search(data, at, expected)
            if commit is None:
                return _with_tail(data, at, commits, holes, expected)
            if commit.first_offset > expected.offset:
                reason = f"{commit.start - at} damaged bytes at byte {at}"
                holes.append(Hole(expected.offset, commit.first_offset, reason))
        commits.append(commit)
        at = commit.end
        expected = Expected(expected.tag, commit.next_offset, commit.number + 1)
    return Scan(tuple(commits), tuple(holes), at, expected.offset, expected.number, "clean")


def commit_at(data: bytes, at: int, expected: Expected, *, exact: bool = True) -> CommitAt | None:
    """The commit at byte `at` where all checks pass; `exact` = it is the expected one, else it may be a later one."""
    header = record_batch.read_header(data, at)
    if header is None or not _is_commit(header, expected.tag):
        return None
    number = expected.number + (header.base_sequence - expected.number) % COMMIT_NUMBERS
    is_expected = (number, header.base_offset) == (expected.number, expected.offset)
    is_later = number > expected.number and header.base_offset >= expected.offset
    if not (is_expected or (is_later and not exact)):
        return None
    end = at + header.size_bytes
    if not record_batch.crc_is_right(data[at:end]):
        return None
    next_offset = header.base_offset + header.record_count
    return CommitAt(at, end, header.base_offset, next_offset, number, header.max_timestamp_ms)


def _is_commit(header: BatchHeader, tag: int) -> bool:
    return (
        header.leader_epoch == -1
        and header.attributes == 0
        and header.producer_epoch == tag
        and header.producer_id == header.base_offset
        and header.last_offset_delta == header.record_count - 1
    )


def _search(data: bytes, start: int, expected: Expected) -> CommitAt | None:
    for at in _marks(data, start):
        commit = commit_at(data, at, expected, exact=False)
        if commit is not None:
            return commit
    return None


def _marks(data: bytes, start: int) -> Iterator[int]:
    at = data.find(_MARK, start + _MARK_AT)
    while at >= 0:
        yield at - _MARK_AT
        at = data.find(_MARK, at + 1)


def _with_tail(data: bytes, at: int, commits: list[CommitAt], holes: list[Hole], expected: Expected) -> Scan:
    header = record_batch.read_header(data, at)
    # Too short for a frame, or longer than the file by its own words: only a whole frame may have been acknowledged.
    if header is None and (len(data) - at < record_batch.HEADER_BYTES or _is_cut(data, at)):
        return Scan(tuple(commits), tuple(holes), at, expected.offset, expected.number, "torn")
    count = _events_at_most(header, expected, len(data) - at)
    hole = Hole(expected.offset, expected.offset + count, f"damaged frame of {len(data) - at} bytes at byte {at}")
    return Scan(tuple(commits), (*holes, hole), at, hole.next, expected.number + 1, "suspected")


def _events_at_most(header: BatchHeader | None, expected: Expected, size_bytes: int) -> int:
    """The frame's own count where all else in it is as expected and nothing follows it; else what fits."""
    if (
        header is not None
        and _is_commit(header, expected.tag)
        and (header.base_offset, header.base_sequence) == (expected.offset, expected.number % COMMIT_NUMBERS)
        and header.size_bytes == size_bytes
        and header.record_count <= COMMIT_EVENTS_MAX
    ):
        return header.record_count
    return size_bytes // RECORD_BYTES_MIN + 1


def _is_cut(data: bytes, at: int) -> bool:
    """Whether the frame at `at` says of itself that it is longer than the file."""
    length = int.from_bytes(data[at + 8 : at + 12], "big", signed=True)
    sane = record_batch.LENGTH_MIN <= length <= record_batch.LENGTH_MAX
    return sane and at + record_batch.LENGTH_BYTES + length > len(data)
