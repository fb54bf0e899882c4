"""
Two folders write one log (rule 15): a copied folder, or one that its identity did not give away, such as that of a
machine restored from a snapshot. The store decides: the folder whose segment was put first keeps the log, and the other
folder's records move to a successor.

    1. fork.json: the segment and the successor's id (fsync)
    2. the successor's folder (fsync), then its id into the old log.json (fsync)
    3. retire the old log: its open segment is sealed, nobody appends there again
    4. compare with the winner's object, record by record, up to the first difference, rounded down to a commit
    5. append the rest to the successor, commit by commit; each record names its old position
    6. record what is shared as shipped
    7. the old files go to `forked/` (fsync)
    8. remove fork.json

After a crash in between, the next shipper begins at 2 and continues after what the successor holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from spool import failpoints
from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.clock import Deadline
from spool.disk import Disk
from spool.durable_file import write_file
from spool.errors import OperatorNeeded
from spool.event import SPOOL_HEADER
from spool.file_lock import locked
from spool.format import record_batch
from spool.format.relayout import archived_records
from spool.log.folder import LogFolder, SegmentFile, segment_files
from spool.log.identity import create_log, new_log_id, read_identity, write_successor
from spool.log.local_alarms import LocalAlarms
from spool.log.producer_state import inherit
from spool.log.reader import Commit, next_header, read_sealed, tail
from spool.log.shipped import ShippedState
from spool.log.writer import LogWriter
from spool.names import LogName
from spool.settings import StreamSettings
from spool.shipping.shipped_record import record_shipped

FORKED = "forked"
# `<old log>/<old offset>`: where a moved record was first.
MOVED_HEADER = "spool_moved"
_MOVED_COMMIT_BYTES_MAX = record_batch.LENGTH_MAX
_MARK = "fork.json"
_LOCK = "fork.lock"
# Less than a waiter's time-out, and short enough not to hold up the folder's other logs.
_LOCK_TIMEOUT_S = 5.0
_Content = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

failpoints.declare(
    "archive.fork.marked", "archive.fork.successor_created", "archive.fork.successor_made", "archive.fork.retired",
    "archive.fork.commit_moved", "archive.fork.files_moved",
)  # fmt: skip


class Forking(NamedTuple):
    """What a move works with. beat: called before each commit, for the shipper's heartbeat."""

    log: LogFolder
    stream: StreamSettings
    archive: Archive
    alarms: AlarmSink
    disk: Disk
    beat: Callable[[float], None] = lambda busy_s: None

    @property
    def name(self) -> LogName:
        return LogName(self.log.stream, self.log.log)


class Fork(NamedTuple):
    """
    Where a log parted.

    segment  the first of our segments that is not, or not wholly, in the store
    compare  whether the winner's object of that number can hold records of ours
    """

    segment: int
    compare: bool


class _Mark(NamedTuple):
    segment: int
    compare: bool
    successor: str


def move_to_successor(forking: Forking, fork: Fork) -> None:
    """Steps 1 to 8. StoreUnavailable, LockTimeout: `resume` continues later. Errors of the disk: OSError."""
    with _exclusive(forking):
        if _read_mark(forking) is None and _files(forking.log, fork.segment):
            # A cloned folder's log has a successor already.
            successor = read_identity(forking.log.path).successor or new_log_id()
            mark = _Mark(fork.segment, fork.compare, successor)
            write_file(forking.disk, forking.log.path / _MARK, json.dumps(mark._asdict()).encode())
            failpoints.reach("archive.fork.marked")
    resume(forking)


def resume(forking: Forking) -> bool:
    """
    Continue a move that was started; returns whether there was one.

    The alarm comes before the lock is taken: an alarm may wait for the object store.
    """
    mark = _read_mark(forking)
    if mark is None:
        return False
    evidence = f"another folder put segment {mark.segment}; going on as log {mark.successor}"
    forking.alarms.open("log_forked", str(forking.name), evidence)
    with _exclusive(forking):
        # Again: somebody else may have ended the move, and a later one may have begun.
        mark = _read_mark(forking)
        if mark is not None:
            _go_on(forking, mark)
    return True


def _read_mark(forking: Forking) -> _Mark | None:
    try:
        document = json.loads((forking.log.path / _MARK).read_text(encoding="utf-8"))
        return _Mark(int(document["segment"]), bool(document["compare"]), str(document["successor"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise OperatorNeeded(
            f"{forking.name}: {_MARK} cannot be read: {error}",
            hint=f"move {_MARK} out of the log's folder: the move to a successor begins again",
        ) from error


def _go_on(forking: Forking, mark: _Mark) -> None:
    deadline = Deadline.after(_LOCK_TIMEOUT_S)
    successor = _make_successor(forking, mark, deadline)
    _retire(forking, deadline)
    shared_until = _shared_until(forking, mark)
    inherit(successor, forking.disk, (forking.log.log, mark.segment))
    _move(forking, mark, successor, shared_until)
    _put_away(forking, mark, shared_until)


@contextmanager
def _exclusive(forking: Forking) -> Iterator[None]:
    """Two who move the same records would double them."""
    with locked(forking.log.path / _LOCK, Deadline.after(_LOCK_TIMEOUT_S), name=f"{forking.name}/{_LOCK}"):
        yield


def _make_successor(forking: Forking, mark: _Mark, deadline: Deadline) -> LogFolder:
    """The folder first: a producer that came between would follow the name of a log that is not there to another."""
    log, disk, stream_path = forking.log, forking.disk, forking.log.path.parent
    successor = LogFolder(log.stream, mark.successor, stream_path / mark.successor)
    with locked(stream_path / "stream.lock", deadline, name=f"{log.stream}/stream.lock"):
        if not (successor.path / "log.json").exists():
            after = (log.log, mark.segment if mark.compare else mark.segment - 1)
            create_log(stream_path, disk, after=after, log_id=mark.successor)
        failpoints.reach("archive.fork.successor_created")
        if read_identity(log.path).successor != mark.successor:
            write_successor(log.path, disk, mark.successor)
    failpoints.reach("archive.fork.successor_made")
    return successor


def _retire(forking: Forking, deadline: Deadline) -> None:
    writer = _writer(forking, forking.log)
    try:
        writer.retire(deadline)
    finally:
        writer.forget()
    failpoints.reach("archive.fork.retired")


def _writer(forking: Forking, log: LogFolder) -> LogWriter:
    after = read_identity(log.path).after
    # Its alarms are raised beside appends: they must not wait for the store.
    alarms = LocalAlarms(log.path.parent.parent, forking.disk)
    return LogWriter(log, forking.stream, after=after, disk=forking.disk, alarms=alarms)


def _files(log: LogFolder, segment: int) -> list[SegmentFile]:
    return [file for file in segment_files(log.path) if file.state == "sealed" and file.segment >= segment]


def _shared_until(forking: Forking, mark: _Mark) -> int:
    """The first of our offsets that the winner's object does not hold with the same content."""
    files = _files(forking.log, mark.segment)
    if not files:
        return 0
    first = read_sealed(files[0].path)
    if not mark.compare or first.header.segment != mark.segment:
        return first.header.first_offset
    theirs = _winner(forking, mark.segment)
    for commit in first.commits:
        ours = {record.offset: _content(record) for record in record_batch.records(commit.frame)}
        if any(theirs.get(offset) != content for offset, content in ours.items()):
            return commit.first_offset
    return first.next_offset


def _winner(forking: Forking, segment: int) -> dict[int, _Content]:
    archived = forking.archive.read(forking.name, segment)
    return {
        archived_record.position.offset: _content(archived_record.record)
        for chunk in archived.chunks
        for archived_record in archived_records(chunk)
    }


def _content(record: record_batch.Record) -> _Content:
    headers = [header for header in record.headers if header[0] != SPOOL_HEADER]
    return record.timestamp, record.key, record.value, headers


def _move(forking: Forking, mark: _Mark, successor: LogFolder, shared_until: int) -> None:
    start = max(shared_until, _moved_until(forking, successor))
    writer = _writer(forking, successor)
    try:
        for commit in _commits_from(_files(forking.log, mark.segment), start):
            forking.beat(0.0)
            writer.write_commit(_moved(forking.name, commit), commit.event_count, Deadline.after(_LOCK_TIMEOUT_S))
            failpoints.reach("archive.fork.commit_moved")
    finally:
        writer.forget()


def _moved(name: LogName, commit: Commit) -> DefaultRecordBatchBuilder:
    """The commit's records, each with a header that names its old position. OperatorNeeded where that is too large."""
    builder = record_batch.builder(size_max=_MOVED_COMMIT_BYTES_MAX)
    for place, record in enumerate(record_batch.records(commit.frame)):
        moved = (MOVED_HEADER, f"{name.log}/{record.offset}".encode())
        headers = [*record.headers, moved]
        if builder.append(place, record.timestamp, record.key, record.value, headers) is None:
            raise OperatorNeeded(
                f"{name}: the commit at offset {commit.first_offset} is too large for another move to a successor",
                hint="find out why this folder is copied again and again; append its events again as new ones",
            )
    return builder


def _commits_from(files: list[SegmentFile], start: int) -> Iterator[Commit]:
    """One segment in memory at a time: a backlog may be larger than the memory."""
    for file in files:
        following = next_header(file.path)
        if following is not None and following.first_offset <= start:
            continue
        contents = read_sealed(file.path)
        yield from (commit for commit in contents.commits if commit.first_offset >= start)


def _moved_until(forking: Forking, successor: LogFolder) -> int:
    """Behind the last of our offsets that the successor holds, on disk or already shipped; commits move in order."""
    here = (record for commit in tail(successor) for record in record_batch.records(commit.frame))
    until = _highest(here, forking.log.log)
    name = LogName(successor.stream, successor.log)
    archived = list(forking.archive.segments(name)) if until == 0 else []
    for number in reversed(archived):
        shipped = forking.archive.read(name, number)
        until = _highest(
            (archived_record.record for chunk in shipped.chunks for archived_record in archived_records(chunk)),
            forking.log.log,
        )
        if until:
            break
    return until


def _highest(records: Iterable[record_batch.Record], log: str) -> int:
    until = 0
    for record in records:
        for name, value in record.headers:
            old_log, _, offset = (value or b"").decode(errors="replace").partition("/")
            if name == MOVED_HEADER and old_log == log:
                until = max(until, int(offset) + 1)
    return until


def _put_away(forking: Forking, mark: _Mark, shared_until: int) -> None:
    path, disk = forking.log.path, forking.disk
    files = _files(forking.log, mark.segment)
    last = max((file.segment for file in files), default=mark.segment)
    record_shipped(path, ShippedState(last, shared_until), disk, Deadline.after(_LOCK_TIMEOUT_S))
    disk.make_folder(path / FORKED)
    disk.sync_folder(path)
    for file in files:
        disk.rename(file.path, path / FORKED / file.path.name)
    disk.sync_folder(path / FORKED)
    failpoints.reach("archive.fork.files_moved")
    disk.unlink(path / _MARK)
    disk.sync_folder(path)
