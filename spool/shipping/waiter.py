"""
Waiting until events are in the object store, for an append that is acknowledged at `s3` (rule 11).

The resident shipper does the work and leaves `shipped` in the log's folder; waiting producers look
there. If no shipper is alive, the waiting producer ships its own log.

Of many threads that wait for one log, one looks and the others sleep until it sees something: hundreds that all looked
would leave no processor time for anything else.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from spool.alarm import AlarmSink
from spool.clock import Deadline
from spool.errors import AppendUnknown, TransientError
from spool.log.folder import LogFolder
from spool.log.shipped import read_shipped
from spool.log.stream_log import StreamLog
from spool.settings import Settings
from spool.shipping.ship_lock import ShipLock, somebody_ships
from spool.shipping.shipped_record import is_orphaned_offset
from spool.shipping.shipper import Shipper
from spool.store.object_store import ObjectStore

_POLL_FIRST_S = 0.005
_POLL_MAX_S = 0.025
# After an attempt that failed, so that a store that refuses connections is not asked all the time.
_AGAIN_S = 0.2
# A sleeper looks for itself this often, should nobody wake it.
_SLEEP_MAX_S = 1.0


class _Watch:
    """The threads of this process that wait for one log, and the attempt to ship it that runs for them, if any."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_led = False
        self._attempt: Future[None] | None = None
        self._pause = Deadline(0)
        self.last_error: TransientError | None = None

    def take_lead(self) -> bool:
        with self._changed:
            if self._is_led:
                return False
            self._is_led = True
            if self._attempt is not None and self._attempt.done():
                self._attempt = None  # what came of it was for those who waited then
            return True

    def leave_lead(self) -> None:
        with self._changed:
            self._is_led = False
            self._changed.notify_all()

    def wake_all(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def sleep(self, deadline: Deadline) -> None:
        with self._changed:
            if self._is_led:
                self._changed.wait(min(_SLEEP_MAX_S, deadline.remaining_s))

    @property
    def has_attempt(self) -> bool:
        """Whether one runs, or has ended and was not asked for its outcome."""
        return self._attempt is not None

    def attempt(self, ship: Callable[[], None]) -> None:
        """
        Let `ship` run beside the waiting thread, whose deadline may be over sooner than a call to the store.

        Returns at once; where an attempt runs already, or has ended since, it is that one. Raises what the last one
        raised but a TransientError, which is kept in `last_error`. Only the leader calls this.
        """
        if self._attempt is None and not self._pause.expired:
            return
        if self._attempt is None:
            self._attempt = Future()
            threading.Thread(target=_settle, args=(self._attempt, ship), name="spool-ship", daemon=True).start()
        if not self._attempt.done():
            return
        ended, self._attempt = self._attempt, None
        try:
            ended.result()
        except TransientError as error:
            self.last_error = error
            self._pause = Deadline.after(_AGAIN_S)


def _settle(attempt: Future[None], ship: Callable[[], None]) -> None:
    try:
        ship()
    except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
        attempt.set_exception(error)
    else:
        attempt.set_result(None)


class _Waiter(NamedTuple):
    """One call, and what it needs to seal and ship by itself."""

    log: StreamLog
    folder: LogFolder
    next_offset: int
    deadline: Deadline
    store: Callable[[], ObjectStore]
    settings: Settings
    alarms: AlarmSink


def wait_until_shipped(
    log: StreamLog,
    log_id: str,
    next_offset: int,
    *,
    deadline: Deadline,
    store: Callable[[], ObjectStore],
    settings: Settings,
    alarms: AlarmSink,
) -> None:
    """
    Return once all events of log `log_id` below `next_offset` are in the object store, confirmed.

    store: called only when this process must ship by itself. AppendUnknown at the deadline, where the disk fails, or
    where it is not known whether the events are there (below the floor); SettingsError and StoreRefused where shipping
    here is impossible. What an attempt to ship has begun continues beside the caller.
    """
    folder = LogFolder(log.path.parent.name, log_id, log.path.parent / log_id)
    waiter = _Waiter(log, folder, next_offset, deadline, store, settings, alarms)
    watch = _watches.setdefault(folder.path, _Watch())
    try:
        _wait(waiter, watch)
    except OSError as error:
        raise AppendUnknown(
            f"offset {next_offset - 1} of {folder.name} is on disk; whether it is in the store cannot be seen: {error}",
            hint="look at the disk (dmesg, df); do not send again unless this folder may be lost",
        ) from error


def _wait(waiter: _Waiter, watch: _Watch) -> None:
    folder, next_offset, deadline = waiter.folder, waiter.next_offset, waiter.deadline
    while not _is_shipped(folder.path, next_offset):
        if deadline.expired:
            raise _unknown(folder, next_offset, watch.last_error)
        if watch.take_lead():
            try:
                _lead(waiter, watch)
            finally:
                watch.leave_lead()
        else:
            watch.sleep(deadline)


def _lead(waiter: _Waiter, watch: _Watch) -> None:
    """Look, seal and ship for all waiting threads, until its own events are shipped or its own deadline has passed."""
    poll_s, shipped = _POLL_FIRST_S, read_shipped(waiter.folder.path)
    while shipped.next_offset < waiter.next_offset and not waiter.deadline.expired:
        if waiter.log.id == waiter.folder.log:
            waiter.log.seal_if_due(for_waiter=True, deadline=waiter.deadline)
        _ship_if_nobody_does(waiter, watch)
        time.sleep(min(poll_s, waiter.deadline.remaining_s))
        poll_s = min(2 * poll_s, _POLL_MAX_S)
        now = read_shipped(waiter.folder.path)
        if now != shipped:
            shipped = now
            watch.last_error = None
            watch.wake_all()


def _is_shipped(log_path: Path, next_offset: int) -> bool:
    if read_shipped(log_path).next_offset < next_offset:
        return False
    if is_orphaned_offset(log_path, next_offset - 1):
        raise AppendUnknown(
            f"offset {next_offset - 1} of log {log_path.name} is below the floor of the store",
            hint=f"{log_path}/orphans holds the events: an operator appends or discards them",
        )
    return True


def _unknown(folder: LogFolder, next_offset: int, last_error: TransientError | None) -> AppendUnknown:
    reason = f": {last_error}" if last_error else ""
    return AppendUnknown(
        f"offset {next_offset - 1} of {folder.stream}/{folder.log} is on disk, but not in the store in time{reason}",
        hint=(last_error.hint if last_error else "") or "look at the shipper; it continues by itself",
    )


def _ship_if_nobody_does(waiter: _Waiter, watch: _Watch) -> None:
    spool_folder = waiter.folder.path.parent.parent
    if not watch.has_attempt and somebody_ships(spool_folder):
        return

    def ship() -> None:
        with ShipLock(spool_folder) as lock:
            # Held or not: a holder without a heartbeat is passed over, the conditional puts keep us apart.
            Shipper(spool_folder, waiter.settings, waiter.store(), waiter.alarms).ship_log(waiter.folder, lock)

    watch.attempt(ship)


_watches: dict[Path, _Watch] = {}
# The threads of a parent do not exist in its child, but what they held would stay held.
os.register_at_fork(after_in_child=_watches.clear)
