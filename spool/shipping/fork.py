"""
Two folders write one log (rule 15): a copied folder, or one that its identity did not give away, such as that of a
machine restored from a snapshot. The store decides: whose segment was put first goes on with the log, and the other
folder's records move to a successor.

    1. fork.json: the segment and the successor's id (fsync)
    2. the successor's id into the old log.json (fsync), then the successor's folder
    3. retire the old log: its open segment is sealed, nobody appends there again
    4. compare with the winner's object, record by record, up to the first difference, rounded down to a commit
    5. append the rest to the successor, commit by commit; each record names its old position
    6. record what is shared as shipped
    7. the old files go to `forked/` (fsync)
    8. remove fork.json

Whoever dies in between is followed by the next shipper, which begins at 2 and goes on behind what the successor holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from spool import failpoints
from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.clock import Deadline
from spool.disk import Disk
from spool.durable_file import write_file
from spool.event import SPOOL_HEADER
from spool.format import record_batch
from spool.format.relayout import archived_records
from spool.log.folder import LogFolder, SegmentFile, segment_files
from spool.log.identity import create_log, new_log_id, read_identity, write_successor
from spool.log.local_alarms import LocalAlarms
from spool.log.lock_file import locked_file
from spool.log.reader import Commit, SegmentContents, read_sealed, tail
from spool.log.shipped import ShippedState
from spool.log.writer import LogWriter
from spool.names import LogName
from spool.settings import StreamSettings
from spool.shipping.shipped_record import record_shipped

FORKED = "forked"
# `<old log>/<old offset>`: where a moved record was first.
MOVED_HEADER = "spool_moved"
_MARK = "fork.json"
_LOCK = "fork.lock"
_LOCK_TIMEOUT_S = 30.0
_Content = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

failpoints.declare(
    "archive.fork.marked", "archive.fork.successor_made", "archive.fork.retired",
    "archive.fork.commit_moved", "archive.fork.files_moved",
)  # fmt: skip


class Fork(NamedTuple):
    """
    Where a log parted.

    segment  the first of our segments that is not, or not wholly, in the store
    compare  whether the winner's object of that number can hold records of ours
    """

    log: LogFolder
    segment: int
    compare: bool


class _Mark(NamedTuple):
    segment: int
    compare: bool
    successor: str


class _Scene(NamedTuple):
    """What all steps need."""

    log: LogFolder
    stream: StreamSettings
    archive: Archive
    alarms: AlarmSink
    disk: Disk
    deadline: Deadline


def _scene(log: LogFolder, stream: StreamSettings, archive: Archive) -> _Scene:
    # The alarms of the two logs are raised beside their appends: they must not wait for the store.
    alarms = LocalAlarms(log.path.parent.parent)
    return _Scene(log, stream, archive, alarms, Disk(), Deadline.after(_LOCK_TIMEOUT_S))


def move_to_successor(fork: Fork, stream: StreamSettings, archive: Archive, alarms: AlarmSink) -> None:
    """Steps 1 to 8. StoreUnavailable, LockTimeout: `resume` goes on later."""
    scene = _scene(fork.log, stream, archive)
    with _exclusive(scene):
        if not (fork.log.path / _MARK).exists() and _files(fork.log, fork.segment):
            # A cloned folder's log has a successor already.
            successor = read_identity(fork.log.path).successor or new_log_id()
            evidence = f"another folder put segment {fork.segment}; going on as log {successor}"
            alarms.open("log_forked", f"{fork.log.stream}/{fork.log.log}", evidence)
            mark = _Mark(fork.segment, fork.compare, successor)
            write_file(scene.disk, fork.log.path / _MARK, json.dumps(mark._asdict()).encode())
            failpoints.reach("archive.fork.marked")
        _go_on(scene)


def resume(log: LogFolder, stream: StreamSettings, archive: Archive) -> bool:
    """Go on with a move that was begun; says whether there was one."""
    if not (log.path / _MARK).exists():
        return False
    scene = _scene(log, stream, archive)
    with _exclusive(scene):
        _go_on(scene)
    return True


def _go_on(scene: _Scene) -> None:
    try:
        mark = _Mark(**json.loads((scene.log.path / _MARK).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return
    successor = _make_successor(scene, mark)
    _retire(scene)
    left = [read_sealed(file.path) for file in _files(scene.log, mark.segment)]
    shared_until = _shared_until(scene, mark, left)
    _move(scene, successor, left, shared_until)
    _put_away(scene, mark, shared_until)


@contextmanager
def _exclusive(scene: _Scene) -> Iterator[None]:
    """Two who move the same records would double them."""
    name = f"{scene.log.stream}/{scene.log.log}"
    with locked_file(scene.log.path / _LOCK, name, scene.disk, scene.deadline, scene.alarms):
        yield


def _make_successor(scene: _Scene, mark: _Mark) -> LogFolder:
    stream_path = scene.log.path.parent
    with locked_file(stream_path / "stream.lock", scene.log.stream, scene.disk, scene.deadline, scene.alarms):
        if read_identity(scene.log.path).successor != mark.successor:
            write_successor(scene.log.path, scene.disk, mark.successor)
        successor = LogFolder(scene.log.stream, mark.successor, stream_path / mark.successor)
        if not (successor.path / "log.json").exists():
            after = (scene.log.log, mark.segment if mark.compare else mark.segment - 1)
            create_log(stream_path, scene.disk, after=after, log_id=mark.successor)
    failpoints.reach("archive.fork.successor_made")
    return successor


def _retire(scene: _Scene) -> None:
    writer = _writer(scene, scene.log)
    try:
        writer.retire(scene.deadline)
    finally:
        writer.forget()
    failpoints.reach("archive.fork.retired")


def _writer(scene: _Scene, log: LogFolder) -> LogWriter:
    after = read_identity(log.path).after
    return LogWriter(log, scene.stream, after=after, disk=scene.disk, alarms=scene.alarms)


def _files(log: LogFolder, segment: int) -> list[SegmentFile]:
    return [file for file in segment_files(log.path) if file.state == "sealed" and file.segment >= segment]


def _shared_until(scene: _Scene, mark: _Mark, left: list[SegmentContents]) -> int:
    """The first of our offsets that the winner's object does not hold with the same content."""
    if not left:
        return 0
    first = left[0]
    if not mark.compare or first.header.segment != mark.segment:
        return first.header.first_offset
    theirs = _winner(scene, mark.segment)
    for commit in first.commits:
        ours = {record.offset: _content(record) for record in record_batch.records(commit.frame)}
        if any(theirs.get(offset) != content for offset, content in ours.items()):
            return commit.first_offset
    return first.next_offset


def _winner(scene: _Scene, segment: int) -> dict[int, _Content]:
    archived = scene.archive.read(LogName(scene.log.stream, scene.log.log), segment)
    return {one.position.offset: _content(one.record) for chunk in archived.chunks for one in archived_records(chunk)}


def _content(record: record_batch.Record) -> _Content:
    headers = [header for header in record.headers if header[0] != SPOOL_HEADER]
    return record.timestamp, record.key, record.value, headers


def _move(scene: _Scene, successor: LogFolder, left: list[SegmentContents], shared_until: int) -> None:
    start = max(shared_until, _moved_until(scene, successor))
    writer = _writer(scene, successor)
    try:
        for commit in _commits_from(left, start):
            builder = record_batch.builder(size_max=record_batch.LENGTH_MAX)
            for place, record in enumerate(record_batch.records(commit.frame)):
                moved = (MOVED_HEADER, f"{scene.log.log}/{record.offset}".encode())
                builder.append(place, record.timestamp, record.key, record.value, [*record.headers, moved])
            writer.write_commit(builder, commit.event_count, scene.deadline)
            failpoints.reach("archive.fork.commit_moved")
    finally:
        writer.forget()


def _commits_from(left: list[SegmentContents], start: int) -> Iterator[Commit]:
    return (commit for contents in left for commit in contents.commits if commit.first_offset >= start)


def _moved_until(scene: _Scene, successor: LogFolder) -> int:
    """Behind the last of our offsets that the successor holds, on disk or already shipped; commits move in order."""
    here = (record for commit in tail(successor) for record in record_batch.records(commit.frame))
    until = _highest(here, scene.log.log)
    name = LogName(successor.stream, successor.log)
    archived = list(scene.archive.segments(name)) if until == 0 else []
    for number in reversed(archived):
        shipped = scene.archive.read(name, number)
        until = _highest((one.record for chunk in shipped.chunks for one in archived_records(chunk)), scene.log.log)
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


def _put_away(scene: _Scene, mark: _Mark, shared_until: int) -> None:
    path, disk = scene.log.path, scene.disk
    files = _files(scene.log, mark.segment)
    record_shipped(path, ShippedState(max((file.segment for file in files), default=mark.segment), shared_until), disk)
    disk.make_folder(path / FORKED)
    for file in files:
        disk.rename(file.path, path / FORKED / file.path.name)
    disk.sync_folder(path / FORKED)
    disk.sync_folder(path)
    failpoints.reach("archive.fork.files_moved")
    disk.unlink(path / _MARK)
    disk.sync_folder(path)
