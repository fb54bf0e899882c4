"""
The library client: append events, get an answer one can rely on.

    with SpoolClient(folder, settings, store=open_store) as spool:
        accepted = spool.append("events", [Event(b"...", key=b"k")])

Three outcomes, never a fourth (rule 5):

    accepted  returns `Accepted`: the events are durable at the asked acknowledgement
    refused   raises EventRefused, FolderRefused, LockTimeout or SpoolFull: nothing was written
    unknown   raises AppendUnknown: the events may be durable; sending again may double them

Safe for threads, processes on one folder, and fork (Airflow's task processes): a child opens its own descriptors and
its own connections, and knows nothing of what its parent had queued.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from spool.alarm import AlarmSink
from spool.clock import Deadline
from spool.errors import AppendUnknown, LockTimeout, SettingsError
from spool.event import Accepted, Acknowledgement, Event, OffsetRange, ProducerPosition, ProducerSequence
from spool.log.local_alarms import LocalAlarms
from spool.log.stream_log import StreamLog
from spool.settings import Settings, StreamSettings
from spool.store.object_store import ObjectStore

TIMEOUT_S = 30.0

StoreFactory = Callable[[], ObjectStore]


class SpoolClient:
    """One client a process is enough; it may be made before a fork and shared by threads."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        store: StoreFactory | None = None,
        alarms: AlarmSink | None = None,
    ) -> None:
        """
        `store` is called at most once a process, and only when `s3` is waited for while no shipper runs; `alarms` are
        those of shipping then. The log keeps its own in the folder.
        """
        self._folder = folder
        self._settings = settings
        self._store_factory = store
        self._alarms = alarms or LocalAlarms(folder)
        self._logs: dict[str, StreamLog] = {}
        self._store: tuple[int, ObjectStore] | None = None
        self._opening = threading.Lock()
        _clients.add(self)

    def append(
        self,
        stream: str,
        events: Sequence[Event],
        *,
        acknowledgement: Acknowledgement | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Accepted:
        """
        Append single events in their order; they may end up in several commits, but keep that order.

        acknowledgement: the stream's own unless given. `s3` may be asked of any stream, `disk` of a persistent one.
        Returns when all are durable at it; errors as in the module's text.
        """
        return self._append(stream, events, group=False, acknowledgement=acknowledgement, timeout_s=timeout_s)

    def append_group(
        self,
        stream: str,
        events: Sequence[Event],
        *,
        acknowledgement: Acknowledgement | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Accepted:
        """Append events that are delivered all or none, in one Kafka transaction. EventRefused when too large."""
        return self._append(stream, events, group=True, acknowledgement=acknowledgement, timeout_s=timeout_s)

    def append_once(
        self,
        stream: str,
        events: Sequence[Event],
        sequence: ProducerSequence,
        *,
        group: bool = False,
        acknowledgement: Acknowledgement | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Accepted:
        """
        Append the events unless this producer's sequence was written before: then its positions are the answer.

        The events are one commit, so they are refused where that would be too large. Whatever the outcome of an attempt
        was, the same call may be made again. ProducerConflict: the sequence is neither the last one nor the next, or
        came with other events before. ProducerMoved: the log that it was meant for has a successor. group: the events
        are delivered all or none.
        """
        settings, level = self._stream_and_level(stream, acknowledgement)
        deadline = Deadline.after(timeout_s)
        log = self._log(settings, deadline)
        unit = log.append_once(events, sequence, deadline=deadline, group=group)
        if level == "s3":
            self._wait_for_s3(log, unit.log, (unit.offsets,), deadline)
        return Accepted(settings.name, unit.log, (unit.offsets,), level, unit.repeated)

    def log_of(self, stream: str, *, timeout_s: float = TIMEOUT_S) -> str:
        """The log that appends to this stream go to now: what a producer names in its next sequence."""
        return self._log(self._settings.stream(stream), Deadline.after(timeout_s)).id

    def last_of(self, stream: str, producer: str, *, timeout_s: float = TIMEOUT_S) -> ProducerPosition:
        """How far a producer is in the stream's current log: for a source that begins, or that was restored."""
        deadline = Deadline.after(timeout_s)
        return self._log(self._settings.stream(stream), deadline).last_of(producer, deadline)

    def release_producer(self, stream: str, producer: str, *, timeout_s: float = TIMEOUT_S) -> bool:
        """Forget a source whose thing cannot be offered again, durably; whether it was known."""
        deadline = Deadline.after(timeout_s)
        return self._log(self._settings.stream(stream), deadline).release_producer(producer, deadline)

    def close(self) -> None:
        """Release descriptors. What was accepted stays accepted; nothing is flushed because nothing is held back."""
        for log in self._logs.values():
            log.close()
        self._logs.clear()

    def __enter__(self) -> SpoolClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(
        self,
        stream_name: str,
        events: Sequence[Event],
        *,
        group: bool,
        acknowledgement: Acknowledgement | None,
        timeout_s: float,
    ) -> Accepted:
        stream, level = self._stream_and_level(stream_name, acknowledgement)
        deadline = Deadline.after(timeout_s)
        log = self._log(stream, deadline)
        log_id, ranges = log.append(events, group=group, deadline=deadline)
        if level == "s3" and ranges:
            self._wait_for_s3(log, log_id, ranges, deadline)
        return Accepted(stream.name, log_id, ranges, level)

    def _stream_and_level(
        self, stream_name: str, acknowledgement: Acknowledgement | None
    ) -> tuple[StreamSettings, Acknowledgement]:
        stream = self._settings.stream(stream_name)
        level = acknowledgement or stream.acknowledgement
        if level == "disk" and not stream.persistent:
            raise SettingsError(
                f"stream {stream.name} may not be acknowledged at `disk`",
                hint="say persistent: true in config/spool.yml if its spool folder survives a reboot",
            )
        return stream, level

    def _wait_for_s3(self, log: StreamLog, log_id: str, ranges: tuple[OffsetRange, ...], deadline: Deadline) -> None:
        # Imported here: it brings the shipper with numpy, which a process that appends at `disk` never needs.
        from spool.shipping.waiter import wait_until_shipped

        try:
            wait_until_shipped(
                log, log_id, ranges[-1].next, deadline=deadline, store=self._open_store, settings=self._settings,
                alarms=self._alarms,
            )  # fmt: skip
        except AppendUnknown:
            raise
        except Exception as error:  # whatever it is: the events are on disk, so this append was not refused
            raise AppendUnknown(
                f"{log_id} {ranges[0].first} to {ranges[-1].next - 1} is on disk, not yet in the object store: {error}",
                hint="the shipper goes on by itself; do not send again unless this folder may be lost",
            ) from error

    def _log(self, stream: StreamSettings, deadline: Deadline) -> StreamLog:
        log = self._logs.get(stream.name)
        if log is not None:
            return log
        if not self._opening.acquire(timeout=deadline.remaining_s):
            raise LockTimeout(
                f"{stream.name}: another thread of this process is opening a log",
                hint="another process holds stream.lock, or the disk is very slow",
            )
        try:
            log = self._logs.get(stream.name)
            if log is None:
                log = StreamLog.open(self._folder, stream, deadline=deadline)
                self._logs[stream.name] = log
            return log
        finally:
            self._opening.release()

    def _open_store(self) -> ObjectStore:
        if self._store_factory is None:
            raise SettingsError(
                "no object store is configured for this client",
                hint="start the resident shipper (`python -m spool ship --follow`), or set SPOOL_S3_BUCKET",
            )
        if self._store is None or self._store[0] != os.getpid():
            # Connections are not shared over a fork.
            self._store = (os.getpid(), self._store_factory())
        return self._store[1]

    def _after_fork_in_child(self) -> None:
        # Another thread of the parent may have held it.
        self._opening = threading.Lock()


_clients: weakref.WeakSet[SpoolClient] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for client in list(_clients):
        client._after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
