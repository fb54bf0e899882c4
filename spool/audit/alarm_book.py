"""
Alarms that last: one object per condition and subject under `_meta/alarms/`, changed only with If-Match.

While the object store is away an alarm waits as a file in the spool folder (`local`), and `sync` carries it over. What
is known to be open or closed is remembered for a while, because the shipper and replay close conditions that never
opened with every segment: asking the store each time would be millions of requests a day.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from typing import NamedTuple

from spool.alarm import Alarm, AlarmSink
from spool.clock import now_ms
from spool.errors import ObjectMissing, PreconditionFailed, SpoolError
from spool.log.local_alarms import LocalAlarms
from spool.store.keys import meta_key
from spool.store.object_store import ObjectStore

LOGGER = logging.getLogger(__name__)
KIND = "alarms"
_TRIES = 5
# Another process may open what this one knows as closed, or close what it opened: noticed after so long.
CLOSED_REFRESH_S = 300.0
OPEN_REFRESH_S = 30.0
# The alarms of this host's producers are carried over this often.
SYNC_EVERY_S = 2.0


class _Known(NamedTuple):
    """What the store held of an alarm, and until when that is believed."""

    is_open: bool
    until: float


class AlarmBook:
    """
    An AlarmSink. Opening what is open and closing what is closed does nothing. Neither ever fails its caller: whatever
    goes wrong is logged, and the alarm kept on this host.
    """

    def __init__(self, store: ObjectStore, root: str, *, local: LocalAlarms | AlarmSink) -> None:
        self._store = store
        self._root = root
        self._local = local
        self._known: dict[tuple[str, str], _Known] = {}
        self._sync_at = 0.0

    def open(self, condition: str, subject: str, evidence: str) -> None:
        self._change(Alarm(condition, subject, evidence, now_ms()))

    def close(self, condition: str, subject: str) -> None:
        self._change(Alarm(condition, subject, "", 0, now_ms()))

    def all(self) -> list[Alarm]:
        """
        Open and closed ones, oldest first; those that wait on this host too. StoreUnavailable, StoreRefused.

        An object that is no alarm of ours is passed over, and named in the log.
        """
        self._try_sync()
        alarms = self._local.all() if isinstance(self._local, LocalAlarms) else []
        for info in self._store.list(f"{self._root}/_meta/{KIND}/"):
            try:
                alarm = _decode(self._store.get(info.key).body)
            except ObjectMissing:
                continue
            if alarm is None or self._key(alarm.condition, alarm.subject) != info.key:
                LOGGER.warning("%s is no alarm of this program; it is passed over", info.key)
                continue
            alarms.append(alarm)
        return sorted(alarms, key=lambda alarm: alarm.opened_ms)

    def sync(self) -> None:
        """Carry over what was noted on this host while the store was away. One that cannot be is kept, and raised."""
        self._sync_at = time.monotonic() + SYNC_EVERY_S
        if not isinstance(self._local, LocalAlarms):
            return
        failed: SpoolError | None = None
        for alarm in self._local.all():
            try:
                self._put(alarm)
            except SpoolError as error:
                failed = error
            else:
                self._local.forget(alarm)
        if failed is not None:
            raise failed

    def _change(self, alarm: Alarm) -> None:
        if self._is_known(alarm) and time.monotonic() < self._sync_at:
            return
        self._try_sync()  # in the order of events: what waits here must not come over a later change
        if self._is_known(alarm):
            return
        try:
            self._put(alarm)
            return
        except (SpoolError, OSError) as error:
            LOGGER.warning("alarm kept on this host, the store is away: %s", error)
        except Exception:  # an alarm never fails its caller, whatever happens to it
            LOGGER.exception("alarm kept on this host")
        self._keep_here(alarm)

    def _try_sync(self) -> None:
        """One that cannot be carried over keeps no other from the book."""
        try:
            self.sync()
        except (SpoolError, OSError) as error:
            LOGGER.warning("alarms of this host wait: %s", error)
        except Exception:  # as above
            LOGGER.exception("alarms of this host wait")

    def _is_known(self, alarm: Alarm) -> bool:
        last_read = self._known.get((alarm.condition, alarm.subject))
        return (
            last_read is not None and last_read.is_open == (not alarm.closed_ms) and time.monotonic() < last_read.until
        )

    def _remember(self, alarm: Alarm, *, is_open: bool) -> None:
        refresh_s = OPEN_REFRESH_S if is_open else CLOSED_REFRESH_S
        self._known[alarm.condition, alarm.subject] = _Known(is_open, time.monotonic() + refresh_s)

    def _keep_here(self, alarm: Alarm) -> None:
        self._known.pop((alarm.condition, alarm.subject), None)
        try:
            if not alarm.closed_ms:
                self._local.open(alarm.condition, alarm.subject, alarm.evidence)
            elif isinstance(self._local, LocalAlarms):
                self._local.note_closed(alarm.condition, alarm.subject)
            else:
                self._local.close(alarm.condition, alarm.subject)
        except Exception:  # as above
            LOGGER.exception("alarm %s about %s cannot be kept on this host", alarm.condition, alarm.subject)

    def _put(self, alarm: Alarm) -> None:
        key = self._key(alarm.condition, alarm.subject)
        for _ in range(_TRIES):
            stored, document, etag = self._read(key)
            new = _merged(stored, alarm)
            if new is None:
                self._remember(alarm, is_open=stored is not None and not stored.closed_ms)
                return
            try:
                # A newer program's further fields stay.
                self._store.put_if_match(key, json.dumps({**document, **new._asdict()}).encode(), etag)
            except PreconditionFailed:
                continue  # somebody else changed it: look again
            self._remember(alarm, is_open=not new.closed_ms)
            verb = "closed" if new.closed_ms else "opened"
            LOGGER.warning(
                "alarm %s condition=%s subject=%s evidence=%s", verb, new.condition, new.subject, new.evidence
            )
            return
        LOGGER.warning("alarm %s about %s changed too often to be noted", alarm.condition, alarm.subject)

    def _read(self, key: str) -> tuple[Alarm | None, dict[str, object], str | None]:
        """The alarm, all fields of its object and its ETag; something foreign under our key is replaced."""
        try:
            stored = self._store.get(key)
        except ObjectMissing:
            return None, {}, None
        alarm = _decode(stored.body)
        if alarm is None:
            LOGGER.warning("%s is no alarm of this program; it is replaced", key)
            return None, {}, stored.etag
        return alarm, json.loads(stored.body), stored.etag

    def _key(self, condition: str, subject: str) -> str:
        digest = hashlib.sha256(f"{condition}\0{subject}".encode()).hexdigest()[:20]
        return meta_key(self._root, KIND, condition, f"{digest}.json")


def _decode(body: bytes) -> Alarm | None:
    """None where it is no alarm. Fields of a newer program are passed over."""
    try:
        document = json.loads(body)
        alarm = Alarm(**{name: document[name] for name in Alarm._fields if name in document})
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (alarm.condition, alarm.subject, alarm.evidence)
    times = (alarm.opened_ms, alarm.closed_ms)
    return alarm if all(type(text) is str for text in texts) and all(type(ms) is int for ms in times) else None


def _merged(stored: Alarm | None, change: Alarm) -> Alarm | None:
    """The alarm after a change; None where nothing changes."""
    is_open = stored is not None and stored.closed_ms == 0
    if change.closed_ms == 0:
        return None if is_open else change
    if stored is not None and is_open:
        return stored._replace(closed_ms=change.closed_ms)
    # An alarm that opened and closed while the store was away is noted as what it was.
    return change if change.opened_ms and (stored is None or stored.closed_ms < change.opened_ms) else None
