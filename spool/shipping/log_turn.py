"""
One log's turn in a shipper, and what came of its last ones: nothing that befalls a log reaches beyond this.

    1. look whether the log's files are all there
    2. seal what is due by size or age, also in a log that nobody appends to any more
    3. ship a few segments, one after the other                    spool/shipping/log_shipper.py

An error is kept here, with an alarm if a person is needed, and the next turn comes after a pause that doubles with
each failure: other logs neither wait for it nor stop.
"""

from __future__ import annotations

import errno
import logging
import random
import threading

from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.clock import Deadline
from spool.disk import Disk
from spool.errors import FolderRefused, SpoolError, SpoolFull, TerminalError
from spool.log.folder import LogFolder, open_path
from spool.log.identity import is_ours, read_identity
from spool.log.local_alarms import LocalAlarms
from spool.log.stream_log import StreamLog
from spool.log.writer import LogRetired, LogWriter
from spool.names import LogName
from spool.settings import Settings
from spool.shipping.log_shipper import LOCK_S, LogShipper, Shipped
from spool.shipping.object_rate import WARN_ABOVE_A_DAY, ObjectRate
from spool.shipping.ship_lock import ShipLock

LOGGER = logging.getLogger(__name__)

BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 30.0
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Of bounded length, so that a backlog of one log does not keep the others waiting.
SEGMENTS_A_TURN = 4


class Backoff:
    """Pauses that double, with jitter: several hosts that lost one store do not come back at one moment."""

    def __init__(self) -> None:
        self._limit_s = BACKOFF_FIRST_S

    def next_s(self) -> float:
        limit_s = self._limit_s
        self._limit_s = min(2 * limit_s, BACKOFF_MAX_S)
        return random.uniform(limit_s / 2, limit_s)


class LogTurn:
    """
    For one thread at a time.

    error     of the last turn, None if it ended well
    has_more  whether the last turn found something to do: then there may be more
    """

    def __init__(self, log: LogFolder, settings: Settings, archive: Archive, alarms: AlarmSink, disk: Disk) -> None:
        self.name = str(LogName(log.stream, log.log))
        self.error: SpoolError | None = None
        self._log = log
        self._settings = settings
        self._archive = archive
        self._alarms = alarms
        self._disk = disk
        self._shipper: LogShipper | None = None
        self._lock: ShipLock | None = None
        self._rate = ObjectRate()
        self._backoff = Backoff()
        self._next = Deadline(0)
        self.has_more = False

    @property
    def is_due(self) -> bool:
        return self._next.expired

    def make_due(self) -> None:
        """The cause of the pause is over: the next turn may come at once."""
        self._backoff, self._next = Backoff(), Deadline(0)

    def take(self, lock: ShipLock, stop: threading.Event, *, seal_all: bool = False) -> Shipped:
        """One turn; what was shipped in it. Raises nothing: see `error`."""
        done = Shipped()
        self.has_more = False
        try:
            self._lock = lock
            shipper = self._shipper or self._open()
            self._seal(shipper, seal_all=seal_all)
            for _ in range(SEGMENTS_A_TURN):
                if stop.is_set():
                    if done.objects:
                        self._ended_well(done)
                    return done  # otherwise nothing was found out: the error stays what it was
                lock.beat()
                shipped = shipper.ship_next()
                if shipped is None:
                    break
                # Also after a step that shipped nothing itself, such as a move to a successor.
                self.has_more = True
                done = done.plus(shipped)
        except (SpoolError, OSError) as error:
            self._failed(as_spool_error(error, self.name))
        except Exception as error:  # a fault of our own in one log must not stop the others
            LOGGER.exception("log=%s", self.name)
            self._failed(FolderRefused(f"{self.name}: {type(error).__name__}: {error}", hint="report this error"))
        else:
            self._ended_well(done)
        return done

    def ship(self, lock: ShipLock) -> None:
        """As `take`, without sealing; raises what went wrong."""
        self._lock = lock
        shipper = self._shipper or self._open()
        for _ in range(SEGMENTS_A_TURN):
            lock.beat()
            if shipper.ship_next() is None:
                return

    def waiting(self) -> int:
        """How many sealed segments are on this host only. OSError."""
        return (self._shipper or self._open()).waiting()

    def forget(self) -> None:
        """The log is not in the folder any more, as the hints of some errors suggest: its alarm is over."""
        if self.error is not None:
            self._alarms.close("ship_blocked", self.name)

    def _open(self) -> LogShipper:
        stream = self._settings.stream(self._log.stream)
        self._shipper = LogShipper(self._log, stream, self._archive, self._alarms, disk=self._disk, beat=self._beat)
        return self._shipper

    def _beat(self, busy_s: float) -> None:
        if self._lock is not None:
            self._lock.beat(busy_s)

    def _seal(self, shipper: LogShipper, *, seal_all: bool) -> None:
        """Every log that can still be appended to: also the successor of a fork, which no client here may know yet."""
        identity = read_identity(self._log.path)
        if identity.successor:
            return  # ended and sealed
        stream = self._settings.stream(self._log.stream)
        if not is_ours(identity, self._log.path):
            # It came here with a copied folder: opening the stream ends it.
            StreamLog.open(self._log.path.parent.parent, stream, disk=self._disk).close()
            return
        alarms = LocalAlarms(self._log.path.parent.parent, self._disk)
        writer = LogWriter(self._log, stream, after=identity.after, disk=self._disk, alarms=alarms)
        try:
            state, deadline = writer.peek(), Deadline.after(LOCK_S)
            has_open = state is not None and open_path(self._log.path, state.segment).exists()
            if state is not None and not has_open:
                shipper.refuse_empty_folder(state.segment)
            if seal_all or not has_open:
                # A writer that died in the middle of sealing left no open segment: this makes one.
                writer.seal(deadline)
            else:
                writer.seal_if_due(deadline, for_waiter=False)
        except LogRetired:
            pass  # a successor was chosen in between, or the folder moved away: the next turn sees it
        finally:
            writer.close()

    def _failed(self, error: SpoolError) -> None:
        self.error = error
        pause_s = self._backoff.next_s()
        self._next = Deadline.after(pause_s)
        LOGGER.warning("log=%s is shipped again in %.1f s: %s", self.name, pause_s, error)
        # A log that waits for the store or for a lock continues by itself.
        if isinstance(error, TerminalError):
            self._alarms.open("ship_blocked", self.name, f"{type(error).__name__}: {error}")

    def _ended_well(self, done: Shipped) -> None:
        self.error = None
        self.make_due()
        self._alarms.close("ship_blocked", self.name)
        self._rate.add(done.objects)
        a_day = self._rate.a_day()
        if a_day > WARN_ABOVE_A_DAY:
            self._alarms.open("many_objects", self.name, f"{a_day} objects in 24 hours")
        else:
            self._alarms.close("many_objects", self.name)


def as_spool_error(error: SpoolError | OSError, name: str) -> SpoolError:
    if isinstance(error, SpoolError):
        return error
    if error.errno in _FULL:
        return SpoolFull(f"{name}: {error}", hint="make space in the spool folder")
    return FolderRefused(f"{name}: {error}", hint="look at the disk (dmesg, smartctl) and at the folder's owner")
