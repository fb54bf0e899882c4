"""
Shipping a spool folder: every log in it, for ever (`run`) or once (`ship_once`).

    1. prove once that the store keeps to conditions and lets nothing expire        spool/store/probe.py
    2. seal what is due by size or age
    3. ship each log's sealed segments, one after the other                         spool/shipping/log_shipper.py
    4. say that shipping goes on: `ship.heartbeat`, before every segment

A log that cannot go on does not hold up the others. Failures of the store are tried again without end.
"""

from __future__ import annotations

import errno
import logging
import random
import threading
from pathlib import Path
from typing import NamedTuple

from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.clock import Deadline
from spool.errors import FolderRefused, SpoolError, SpoolFull, StoreUnavailable, TerminalError
from spool.log.folder import LogFolder, log_folders, segment_files
from spool.log.stream_log import StreamLog
from spool.settings import Settings
from spool.shipping.log_shipper import LogShipper, Shipped
from spool.shipping.ship_lock import ShipLock
from spool.store.object_store import ObjectStore
from spool.store.probe import probe_store

LOGGER = logging.getLogger(__name__)

# Between two rounds: short while there is something to do, for those who wait for `s3`.
BUSY_S = 0.02
IDLE_S = 0.2
IDLE_AFTER_ROUNDS = 100
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 30.0
# Waits are cut into pieces of this length, with a heartbeat between them.
_BREATH_S = 2.0
SEGMENTS_A_TURN = 4


class ShipSummary(NamedTuple):
    """What was shipped (see `Shipped`), and how many sealed segments are still on this host only."""

    objects: int
    events: int
    size_bytes: int
    waiting: int


class Round(NamedTuple):
    """One turn of each log; `errors` are by log."""

    shipped: Shipped
    waiting: int
    errors: dict[str, SpoolError]


class Shipper:
    """Ships one folder. Not for use by several threads at once; several processes may ship the same folder."""

    def __init__(self, folder: Path, settings: Settings, store: ObjectStore, alarms: AlarmSink) -> None:
        self._folder = folder
        self._settings = settings
        self._store = store
        self._alarms = alarms
        self._logs: dict[str, StreamLog] = {}
        self._stop = threading.Event()

    def ship_once(self, *, seal_all: bool = True, deadline: Deadline | None = None) -> ShipSummary:
        """
        Seal whatever there is (or what is due), ship what is sealed, until nothing is left or the deadline has passed.

        Raises the first error after all logs had their turn: StoreUnavailable, StoreRefused, or what a single log
        needs a person for. What was shipped before stays shipped.
        """
        total, waiting = Shipped(), -1
        if not self._folder.is_dir():
            return ShipSummary(*total, 0)
        with ShipLock(self._folder) as lock:
            while True:
                turn = self.ship_round(lock, seal_all=seal_all)
                for error in turn.errors.values():
                    raise error
                total = total.plus(turn.shipped)
                stuck = turn.waiting == waiting and not turn.shipped.objects
                if not turn.waiting or stuck or (deadline is not None and deadline.expired):
                    return ShipSummary(*total, turn.waiting)
                waiting = turn.waiting

    def ship_round(self, lock: ShipLock, *, seal_all: bool = False) -> Round:
        """
        One turn for each log; its errors are returned. StoreRefused where the store fails its probe.

        lock: of this folder, held or not; with it the heartbeat goes on.
        """
        probe_store(self._store, self._settings.root)
        done, waiting = Shipped(), 0
        errors = self._seal(seal_all=seal_all)
        for log in log_folders(self._folder):
            name = f"{log.stream}/{log.log}"
            try:
                shipper = self._log_shipper(log)
                done = done.plus(self._ship(shipper, lock))
                waiting += shipper.waiting()
            except (SpoolError, OSError) as error:
                errors[name] = _as_spool_error(error, name)
            self._show(name, errors.get(name))
        return Round(done, waiting, errors)

    def ship_log(self, log: LogFolder, lock: ShipLock) -> None:
        """A turn of one log. Errors as in `ship_once`."""
        probe_store(self._store, self._settings.root)
        self._ship(self._log_shipper(log), lock)

    def run(self, stop: threading.Event) -> None:
        """
        The resident shipper: until `stop`, then after the segment in hand. Waits while another one holds the folder.

        StoreRefused at the start where the store cannot hold an archive; later every error is an alarm and tried again.
        """
        self._stop = stop
        self._folder.mkdir(parents=True, exist_ok=True)
        while not stop.is_set():
            with ShipLock(self._folder) as lock:
                if lock.held:
                    self._ship_until(stop, lock)
                    return
            LOGGER.info("another shipper holds %s", self._folder)
            stop.wait(1.0)

    def _ship_until(self, stop: threading.Event, lock: ShipLock) -> None:
        idle_rounds, backoff_s = 0, BACKOFF_FIRST_S
        while not stop.is_set():
            lock.beat()
            turn = self._resident_round(lock)
            if turn.errors:
                # Jitter: several hosts that lost one store do not come back at one moment.
                pause_s = random.uniform(backoff_s / 2, backoff_s)
                LOGGER.warning("shipping again in %.1f s: %s", pause_s, "; ".join(map(str, turn.errors.values())))
                self._breathe(stop, lock, pause_s)
                backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
                continue
            backoff_s = BACKOFF_FIRST_S
            idle_rounds = 0 if turn.shipped.objects else idle_rounds + 1
            if not (turn.waiting and turn.shipped.objects):
                stop.wait(BUSY_S if idle_rounds < IDLE_AFTER_ROUNDS else IDLE_S)

    def _resident_round(self, lock: ShipLock) -> Round:
        try:
            turn = self.ship_round(lock)
        except StoreUnavailable as error:
            turn = Round(Shipped(), 0, {"store": error})
        away = [error for error in turn.errors.values() if isinstance(error, StoreUnavailable)]
        if away:
            self._alarms.open("store_unavailable", self._folder.name, str(away[0]))
        else:
            self._alarms.close("store_unavailable", self._folder.name)
        return turn

    def _breathe(self, stop: threading.Event, lock: ShipLock, seconds: float) -> None:
        while seconds > 0 and not stop.is_set():
            lock.beat()
            stop.wait(min(seconds, _BREATH_S))
            seconds -= _BREATH_S

    def _log_shipper(self, log: LogFolder) -> LogShipper:
        stream = self._settings.stream(log.stream)
        return LogShipper(log, stream, Archive(self._store, self._settings.root), self._alarms)

    def _ship(self, shipper: LogShipper, lock: ShipLock) -> Shipped:
        """A turn of one log, of bounded length, so that a backlog of one does not keep the others waiting."""
        done = Shipped()
        for _ in range(SEGMENTS_A_TURN):
            if self._stop.is_set():
                break
            lock.beat()
            one = shipper.ship_next()
            if one is None:
                break
            done = done.plus(one)
        return done

    def _seal(self, *, seal_all: bool) -> dict[str, SpoolError]:
        """By size and age. Opening a log also ends one that came here with a copied folder."""
        errors: dict[str, SpoolError] = {}
        for name in sorted({log.stream for log in log_folders(self._folder)}):
            try:
                if name not in self._logs:
                    self._logs[name] = StreamLog.open(self._folder, self._settings.stream(name))
                log = self._logs[name]
                files = segment_files(log.path)
                if seal_all or (files and files[-1].state == "sealed"):
                    # A writer that died in the middle of sealing left no open segment: this makes one.
                    log.seal()
                else:
                    log.seal_if_due()
            except (SpoolError, OSError) as error:
                errors[name] = _as_spool_error(error, name)
        return errors

    def _show(self, name: str, error: SpoolError | None) -> None:
        """A log that stands still until a person has looked is an alarm; one that waits for the store is not."""
        if isinstance(error, TerminalError):
            self._alarms.open("ship_blocked", name, f"{type(error).__name__}: {error}")
        elif error is None:
            self._alarms.close("ship_blocked", name)


def _as_spool_error(error: SpoolError | OSError, name: str) -> SpoolError:
    if isinstance(error, SpoolError):
        return error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SpoolFull(f"{name}: {error}", hint="make space in the spool folder")
    return FolderRefused(f"{name}: {error}", hint="look at the disk (dmesg, smartctl) and at the folder's owner")
