"""
Waiting until events are in the object store, for an append that is acknowledged at `s3` (rule 11).

The resident shipper does the work and leaves `shipped` in the log's folder; who waits looks there. Where no shipper is
alive, the one who waits ships its own log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from spool.alarm import AlarmSink
from spool.archive.ship_lock import ShipLock, somebody_ships
from spool.archive.shipped_record import is_orphaned_offset
from spool.archive.shipper import Shipper
from spool.archive.store import ObjectStore
from spool.errors import AppendUnknown, TransientError
from spool.log.deadline import Deadline
from spool.log.folder import LogFolder
from spool.log.shipped import read_shipped
from spool.log.stream_log import StreamLog
from spool.settings import Settings

_POLL_FIRST_S = 0.005
_POLL_MAX_S = 0.05


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

    store: called only when this process must ship by itself. AppendUnknown at the deadline, or where the events
    cannot be told to be there (below the floor); SettingsError and StoreRefused where shipping here is impossible.
    """
    folder = LogFolder(log.path.parent.name, log_id, log.path.parent / log_id)
    poll_s = _POLL_FIRST_S
    last_error: TransientError | None = None
    while not _is_shipped(folder.path, next_offset):
        if deadline.expired:
            raise _unknown(folder, next_offset, last_error)
        if log.id == log_id:
            log.seal_if_due(for_waiter=True, deadline=deadline)
        try:
            _ship_if_nobody_does(folder, store, settings, alarms)
        except TransientError as error:
            last_error = error
        time.sleep(min(poll_s, deadline.remaining_s))
        poll_s = min(2 * poll_s, _POLL_MAX_S)


def _is_shipped(log_path: Path, next_offset: int) -> bool:
    if read_shipped(log_path).next_offset < next_offset:
        return False
    if is_orphaned_offset(log_path, next_offset - 1):
        raise AppendUnknown(
            f"offset {next_offset - 1} of log {log_path.name} lies below the floor of the store",
            hint=f"{log_path}/orphans holds the events: an operator appends or discards them",
        )
    return True


def _unknown(folder: LogFolder, next_offset: int, last_error: TransientError | None) -> AppendUnknown:
    reason = f": {last_error}" if last_error else ""
    return AppendUnknown(
        f"offset {next_offset - 1} of {folder.stream}/{folder.log} is on disk, but not in the store in time{reason}",
        hint=(last_error.hint if last_error else "") or "look at the shipper; it goes on by itself",
    )


def _ship_if_nobody_does(
    folder: LogFolder, store: Callable[[], ObjectStore], settings: Settings, alarms: AlarmSink
) -> None:
    spool_folder = folder.path.parent.parent
    if somebody_ships(spool_folder):
        return
    with ShipLock(spool_folder) as lock:
        # Held or not: a holder without a heartbeat is passed over, the conditional puts keep us apart.
        Shipper(spool_folder, settings, store(), alarms).ship_log(folder, lock)
