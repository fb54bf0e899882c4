"""The ids of what was appended to a log and its successors, wherever it is by now: in this folder, in the archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spool.archive.archive import Archive
from spool.event import SPOOL_HEADER
from spool.format.position_header import decode_archived
from spool.format.record_batch import Record, records
from spool.format.segment_index import ArchivedSegment
from spool.log.folder import LogFolder, log_folders
from spool.log.identity import read_identity
from spool.log.reader import tail
from spool.names import LogName

_ID_HEADER = "ce_id"


def appended_ids(archive: Archive, folder: Path, name: LogName, start: int, current: str) -> Iterator[str]:
    """
    Of every event of the log from the offset `start` on, of all its successors in this folder, and of the current log.

    One that is in the folder and in the archive comes once. What neither of the two has is left out: the caller knows
    whether another folder may have it. Errors of the store, CorruptSegment, CorruptObject.
    """
    logs = {log.log: log for log in log_folders(folder) if log.stream == name.stream}
    log, visited = name.log, set()
    while log:
        visited.add(log)
        yield from _of_log(archive, logs.get(log), LogName(name.stream, log), start)
        log = read_identity(logs[log].path).successor if log in logs else ""
        start = 0
    if current not in visited:
        yield from _of_log(archive, logs.get(current), LogName(name.stream, current), 0)


def _of_log(archive: Archive, local: LogFolder | None, name: LogName, start: int) -> Iterator[str]:
    # The folder first: what is shipped and removed meanwhile is in the archive then.
    seen = set()
    for commit in tail(local, start) if local else ():
        for record in records(commit.frame):
            if record.offset >= start:
                seen.add(record.offset)
                yield _id(record)
    for archived in archive.from_offset(name, start):
        for record in _records(archived):
            offset = decode_archived(dict(record.headers)[SPOOL_HEADER] or b"").offset
            if offset >= start and offset not in seen:
                yield _id(record)


def _records(archived: ArchivedSegment) -> Iterator[Record]:
    for chunk in archived.chunks:
        for stored in chunk.batches:
            yield from records(bytes(stored.data))


def _id(record: Record) -> str:
    return (dict(record.headers).get(_ID_HEADER) or b"").decode()
