"""
Shipping a spool folder: every log in it, without end (`run`) or once (`ship_once`).

    1. prove once that the store keeps to conditions and lets nothing expire        spool/store/probe.py
    2. give each log its turn: seal what is due, ship what is sealed                spool/shipping/log_turn.py
    3. record that shipping continues: `ship.heartbeat`, before every segment

A log that cannot be shipped does not hold up the others: the resident shipper retries it beside them, in a thread of
its own, after a pause. Failures of the store are retried without end.
"""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path
from typing import NamedTuple

from spool.alarm import AlarmSink
from spool.archive.archive import Archive
from spool.clock import Deadline
from spool.disk import Disk
from spool.errors import ShipFailed, SpoolError, StoreUnavailable, TerminalError, TransientError
from spool.log.folder import LogFolder, log_folders
from spool.settings import Settings
from spool.shipping.log_shipper import Shipped
from spool.shipping.log_turn import SEGMENTS_A_TURN, Backoff, LogTurn
from spool.shipping.ship_lock import ShipLock, somebody_ships
from spool.shipping.side_turns import SideTurns
from spool.store.object_store import ObjectStore
from spool.store.probe import probe_store

__all__ = ["SEGMENTS_A_TURN", "Round", "ShipSummary", "Shipper", "demand_all_shipped"]

LOGGER = logging.getLogger(__name__)

# Between two rounds: short while there is something to do, for producers that wait for `s3`.
BUSY_S = 0.02
IDLE_S = 0.2
IDLE_AFTER_ROUNDS = 100
# Waits are cut into pieces of this length, with a heartbeat between them.
_BREATH_S = 2.0
# Whether another process holds the folder is looked up this often.
_HOLDER_EVERY_S = 1.0
# A single run ends when so many rounds shipped nothing, though some log said that it had more.
_FRUITLESS_ROUNDS_MAX = 3


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

    def __init__(
        self, folder: Path, settings: Settings, store: ObjectStore, alarms: AlarmSink, *, disk: Disk | None = None
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._archive = Archive(store, settings.root)
        self._alarms = alarms
        self._disk = disk or Disk()
        self._turns: dict[LogFolder, LogTurn] = {}
        self._stop = threading.Event()
        self._host = f"{socket.gethostname()}:{folder}"

    def ship_once(self, *, seal_all: bool = True, deadline: Deadline | None = None) -> ShipSummary:
        """
        Seal whatever there is (or what is due), ship what is sealed, until nothing is left or the deadline has passed.

        Raises at the end, when all logs that can be shipped are: see `demand_all_shipped`. What was shipped before
        stays shipped.
        """
        if not self._folder.is_dir():
            return ShipSummary(*Shipped(), 0)
        total, failed, fruitless = Shipped(), dict[str, SpoolError](), 0
        with ShipLock(self._folder) as lock:
            while fruitless < _FRUITLESS_ROUNDS_MAX:
                shipped = self._round(lock, seal_all=seal_all, failed=failed)
                total = total.plus(shipped)
                fruitless = 0 if shipped.objects else fruitless + 1
                has_more = any(turn.has_more for turn in self._turns.values() if turn.error is None)
                if not has_more or (deadline is not None and deadline.expired):
                    break
        demand_all_shipped(failed)
        return ShipSummary(*total, self._waiting())

    def ship_round(self, lock: ShipLock, *, seal_all: bool = False) -> Round:
        """
        One turn for each log; its errors are returned. StoreRefused where the store fails its probe.

        lock: of this folder, held or not; with it the heartbeat continues.
        """
        errors: dict[str, SpoolError] = {}
        shipped = self._round(lock, seal_all=seal_all, failed=errors)
        return Round(shipped, self._waiting(), errors)

    def ship_log(self, log: LogFolder, lock: ShipLock) -> None:
        """Ship a few segments of one log. Errors as in `LogShipper.ship_next`."""
        probe_store(self._archive.store, self._archive.root)
        LogTurn(log, self._settings, self._archive, self._alarms, self._disk).ship(lock)

    def run(self, stop: threading.Event) -> dict[str, SpoolError]:
        """
        The resident shipper: until `stop`, then after the segment in hand. Waits while another one holds the folder,
        unless that one has stopped breathing: then both ship.

        Returns which logs stand still at the end, each with its error. StoreRefused at the start where the store
        cannot hold an archive; later every error is an alarm and tried again.
        """
        self._stop = stop
        self._folder.mkdir(parents=True, exist_ok=True)
        with SideTurns() as side:
            while not stop.is_set():
                with ShipLock(self._folder) as lock:
                    if lock.held or not somebody_ships(self._folder):
                        self._ship_until(stop, lock, side)
                        continue
                LOGGER.info("another shipper holds %s", self._folder)
                stop.wait(_HOLDER_EVERY_S)
        errors = {turn.name: turn.error for turn in self._turns.values() if turn.error is not None}
        for name, error in errors.items():
            LOGGER.error("log=%s was not shipped to its end: %s", name, error)
        return errors

    def _ship_until(self, stop: threading.Event, lock: ShipLock, side: SideTurns) -> None:
        """Rounds until `stop`; without the lock only for a while, because it may become free."""
        idle_rounds, backoff = 0, Backoff()
        look_again = Deadline.after(_HOLDER_EVERY_S)
        while not stop.is_set() and (lock.held or not look_again.expired):
            lock.beat()
            try:
                probe_store(self._archive.store, self._archive.root)
            except StoreUnavailable as error:
                self._show_store(error)
                self._breathe(stop, lock, backoff.next_s())
                continue
            shipped = self._resident_round(lock, side)
            idle_rounds = 0 if shipped.objects else idle_rounds + 1
            if not shipped.objects:
                stop.wait(BUSY_S if idle_rounds < IDLE_AFTER_ROUNDS else IDLE_S)

    def _resident_round(self, lock: ShipLock, side: SideTurns) -> Shipped:
        """A log that is well has its turn here; one in trouble has it beside the others, when its pause is over."""
        done = Shipped()
        for turn in self._all_turns():
            if side.has(turn):
                continue
            if turn.error is None:
                done = done.plus(turn.take(lock, self._stop))
            elif turn.is_due:
                side.take(turn, lock, self._stop)
        if done.objects or side.has_shipped():
            # The store is there: logs that wait for it need not wait longer.
            for turn in self._turns.values():
                if isinstance(turn.error, StoreUnavailable):
                    turn.make_due()
        away = [turn.error for turn in self._turns.values() if isinstance(turn.error, StoreUnavailable)]
        self._show_store(away[0] if away else None)
        return done

    def _round(self, lock: ShipLock, *, seal_all: bool, failed: dict[str, SpoolError]) -> Shipped:
        """A turn of each log that has not failed yet; adds to `failed`."""
        probe_store(self._archive.store, self._archive.root)
        done = Shipped()
        for turn in self._all_turns():
            if turn.name in failed:
                continue
            done = done.plus(turn.take(lock, self._stop, seal_all=seal_all))
            if turn.error is not None:
                failed[turn.name] = turn.error
        return done

    def _all_turns(self) -> list[LogTurn]:
        """Of the logs that the folder holds now; an alarm of one that was moved away is closed."""
        logs = log_folders(self._folder)
        for log in self._turns.keys() - set(logs):
            self._turns.pop(log).forget()
        for log in logs:
            if log not in self._turns:
                self._turns[log] = LogTurn(log, self._settings, self._archive, self._alarms, self._disk)
        return [self._turns[log] for log in logs]

    def _waiting(self) -> int:
        return sum(turn.waiting() for turn in self._turns.values() if turn.error is None)

    def _show_store(self, error: StoreUnavailable | None) -> None:
        if error is not None:
            self._alarms.open("store_unavailable", self._host, str(error))
        else:
            self._alarms.close("store_unavailable", self._host)

    def _breathe(self, stop: threading.Event, lock: ShipLock, seconds: float) -> None:
        while seconds > 0 and not stop.is_set():
            lock.beat()
            stop.wait(min(seconds, _BREATH_S))
            seconds -= _BREATH_S


def demand_all_shipped(errors: dict[str, SpoolError]) -> None:
    """
    Raise what kept logs from being shipped: the error itself where it is one, else one that names each log.

    TransientError where trying again may help all of them (StoreUnavailable where the store is the cause of all),
    ShipFailed where a person is needed for one.
    """
    if not errors:
        return
    if len(errors) == 1:
        [(name, only)] = errors.items()
        if name not in str(only):
            only.args = (f"{name}: {only}",)
        raise only
    kinds = {type(error) for error in errors.values()}
    message = f"{len(errors)} logs were not shipped: " + "; ".join(f"{n}: {error}" for n, error in errors.items())
    hint = "; ".join(dict.fromkeys(error.hint for error in errors.values() if error.hint))
    if kinds == {StoreUnavailable}:
        raise StoreUnavailable(message, hint=hint)
    if not any(isinstance(error, TerminalError) for error in errors.values()):
        raise TransientError(message, hint=hint)
    raise ShipFailed(message, hint=hint)
