"""
The journal of one published table, in a folder of its own:

    pending.json    one change set that is made, or about to be made, in the warehouse; it names
    <random>.rows   its rows: lines of JSON after a merge, the CSV of the table after a whole copy
    stream.json     the epoch of the stream, and the state of the warehouse that the stream holds
    .lock           held by the process that works on the table

The rows are durable before pending.json is, and pending.json is before the warehouse is changed. Rows that no
pending.json names were left behind by a process that died.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from include.common.atomic_files import fsync_folder
from include.warehouse.errors import WarehouseRefused, WarehouseUnavailable
from include.warehouse.target.port import SnapshotRecord, TargetTable
from spool.clock import Deadline
from spool.disk import Disk
from spool.durable_file import OWNER_ONLY, remove_leftovers, write_durably
from spool.file_lock import FileLock

FORMAT_VERSION = 1
_LOCK_WAIT_S = 60.0
_BUFFER_BYTES = 256 * 1024
_PENDING, _STREAM, _ROWS_SUFFIX = "pending.json", "stream.json", ".rows"
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class State(NamedTuple):
    """What identifies a state of the current snapshot: two states of one table differ in it."""

    snapshot: str
    taken_at: str
    gtid: str
    watermark: str

    @classmethod
    def of(cls, record: SnapshotRecord | None) -> State | None:
        return cls(record.snapshot, record.taken_at, record.gtid, record.watermark) if record else None


@dataclass(frozen=True)
class Column:
    """As the stream describes it; `kind` as in column_types/mapped_column.py."""

    name: str
    mariadb: str
    duckdb: str
    kind: str


@dataclass(frozen=True)
class Pending:
    """
    One change set.

    kind        what the rows are: a merge's changes, or the whole table
    changes     how many rows
    epoch       of the stream's events; a whole copy begins a new one
    time_ms     of the events, milliseconds since 1970 UTC
    log, first  of the spool: for which the first batch was meant, and that batch's sequence
    batch_...   most of one append: a batch must be the same when it is sent again
    """

    installation: str
    table: str
    kind: Literal["merge", "whole"]
    rows_file: str
    changes: int
    epoch: str
    record: State
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time_ms: int
    log: str
    first: int
    batch_events: int
    batch_bytes: int


@dataclass(frozen=True)
class StreamState:
    """What the stream holds once all that waits is in it."""

    epoch: str
    record: State


class TableJournal:
    """Between `open` and `close` no other process works on it. WarehouseUnavailable where its disk fails."""

    def __init__(self, folder: Path, installation: str, table: str) -> None:
        self.installation, self.table = installation, table
        self._folder = folder / installation / table
        self._lock = FileLock(self._folder / ".lock", name=f"{installation}/{table} (datasync)")

    def __str__(self) -> str:
        return f"{self.installation}/{self.table}"

    def open(self) -> None:
        """Take the lock and remove what a process that died left behind."""
        with disk_errors(self):
            self._folder.mkdir(parents=True, exist_ok=True)
            if not self._lock.acquire(Deadline.after(_LOCK_WAIT_S)):
                raise WarehouseUnavailable(str(self._lock.timeout()), hint="another run is at work on this table")
            pending = self.pending()
            for rows in self._folder.glob(f"*{_ROWS_SUFFIX}"):
                if pending is None or rows.name != pending.rows_file:
                    rows.unlink()
            remove_leftovers(Disk(), self._folder)

    def close(self) -> None:
        self._lock.close()

    def pending(self) -> Pending | None:
        """The change set that waits. No lock is needed to read it."""
        content = self._read(_PENDING)
        if content is None:
            return None
        columns = tuple(Column(**column) for column in content.pop("columns"))
        record, key = State(**content.pop("record")), tuple(content.pop("key"))
        return Pending(**content, columns=columns, record=record, key=key)

    def stream(self) -> StreamState | None:
        """None before the first whole copy."""
        content = self._read(_STREAM)
        return None if content is None else StreamState(content["epoch"], State(**content["record"]))

    @contextmanager
    def new_rows(self) -> Iterator[BinaryIO]:
        """A file for rows, durable after the block; `name` of what is yielded is its path."""
        path = self._folder / f"{secrets.token_hex(8)}{_ROWS_SUFFIX}"
        try:
            with disk_errors(self), open(path, "xb", buffering=_BUFFER_BYTES, opener=_for_owner) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            with disk_errors(self):
                fsync_folder(self._folder)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def read_rows(self, pending: Pending) -> BinaryIO:
        """WarehouseRefused where the file is gone."""
        try:
            return (self._folder / pending.rows_file).open("rb")
        except FileNotFoundError:
            raise WarehouseRefused(
                f"{self}: the rows of the journal are gone: {pending.rows_file}",
                hint="`sync --full` begins a new epoch of the stream: docs/runbooks/datasync.md",
            ) from None

    def put(self, pending: Pending) -> None:
        """Durable when it returns."""
        self._write(_PENDING, asdict(pending) | {"record": pending.record._asdict()})

    def settle(self, pending: Pending) -> None:
        """All of it is in the stream."""
        state = {"epoch": pending.epoch, "record": pending.record._asdict()}
        self._write(_STREAM, state)
        self.discard(pending)

    def discard(self, pending: Pending) -> None:
        """It was not made in the warehouse, or is in the stream."""
        with disk_errors(self):
            (self._folder / _PENDING).unlink()
            fsync_folder(self._folder)
            (self._folder / pending.rows_file).unlink(missing_ok=True)

    def next_epoch(self) -> str:
        """By the clock of this host in UTC; always greater than the last one."""
        now = datetime.now(UTC)
        if (stream := self.stream()) is not None:
            last = datetime.strptime(stream.epoch, _TIME).replace(tzinfo=UTC)
            now = max(now, last + timedelta(microseconds=1))
        return now.strftime(_TIME)

    def _read(self, name: str) -> dict[str, Any] | None:
        with disk_errors(self):
            try:
                data = (self._folder / name).read_bytes()
            except FileNotFoundError:
                return None
        try:
            content = json.loads(data)
            version = content.pop("version")
        except (ValueError, KeyError, TypeError, AttributeError):
            version = None
        if version != FORMAT_VERSION:
            raise WarehouseRefused(f"{self._folder / name} cannot be read", hint="docs/runbooks/datasync.md")
        return dict(content)

    def _write(self, name: str, content: Mapping[str, object]) -> None:
        with disk_errors(self):
            write_durably(self._folder / name, json.dumps({"version": FORMAT_VERSION, **content}))


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, OWNER_ONLY)


def columns_of(table: TargetTable) -> tuple[Column, ...]:
    return tuple(Column(column.name, column.source_type, column.duckdb, column.kind) for column in table.columns)


@contextmanager
def disk_errors(what: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WarehouseUnavailable(
            f"{what}: {error}", hint="look at the disk of `journal` in config/warehouse.yml"
        ) from error
