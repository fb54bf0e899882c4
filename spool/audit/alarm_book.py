"""
Alarms that last: one object per condition and subject under `_meta/alarms/`, changed only with If-Match.

While the object store is away an alarm waits as a file in the spool folder (`local`), and `sync` carries it over.
"""

from __future__ import annotations

import hashlib
import json
import logging

from spool.alarm import Alarm, AlarmSink
from spool.clock import now_ms
from spool.errors import ObjectMissing, PreconditionFailed, SpoolError
from spool.log.local_alarms import LocalAlarms
from spool.store.keys import meta_key
from spool.store.object_store import ObjectStore

LOGGER = logging.getLogger(__name__)
KIND = "alarms"
_TRIES = 5


class AlarmBook:
    """An AlarmSink. Opening what is open and closing what is closed does nothing; neither fails its caller."""

    def __init__(self, store: ObjectStore, root: str, *, local: LocalAlarms | AlarmSink) -> None:
        self._store = store
        self._root = root
        self._local = local

    def open(self, condition: str, subject: str, evidence: str) -> None:
        self._change(Alarm(condition, subject, evidence, now_ms()))

    def close(self, condition: str, subject: str) -> None:
        self._change(Alarm(condition, subject, "", 0, now_ms()))

    def all(self) -> list[Alarm]:
        """Open and closed ones, oldest first; those that wait on this host too. StoreUnavailable, StoreRefused."""
        self.sync()
        found = []
        for info in self._store.list(f"{self._root}/_meta/{KIND}/"):
            found.append(Alarm(**json.loads(self._store.get(info.key).body)))
        return sorted(found, key=lambda alarm: alarm.opened_ms)

    def sync(self) -> None:
        """Carry over what was noted on this host while the store was away."""
        if not isinstance(self._local, LocalAlarms):
            return
        for alarm in self._local.all():
            self._put(alarm)
            self._local.forget(alarm)

    def _change(self, alarm: Alarm) -> None:
        try:
            self.sync()  # in the order of events: what waits here must not come over a later change
            self._put(alarm)
        except (SpoolError, OSError) as error:
            LOGGER.warning("alarm kept on this host, the store is away: %s", error)
            self._keep_here(alarm)

    def _keep_here(self, alarm: Alarm) -> None:
        if not alarm.closed_ms:
            self._local.open(alarm.condition, alarm.subject, alarm.evidence)
        elif isinstance(self._local, LocalAlarms):
            self._local.note_closed(alarm.condition, alarm.subject)
        else:
            self._local.close(alarm.condition, alarm.subject)

    def _put(self, alarm: Alarm) -> None:
        key = self._key(alarm.condition, alarm.subject)
        for _ in range(_TRIES):
            held, etag = self._read(key)
            new = _merged(held, alarm)
            if new is None:
                return
            try:
                self._store.put_if_match(key, json.dumps(new._asdict()).encode(), etag)
            except PreconditionFailed:
                continue  # somebody else changed it: look again
            verb = "closed" if new.closed_ms else "opened"
            LOGGER.warning(
                "alarm %s condition=%s subject=%s evidence=%s", verb, new.condition, new.subject, new.evidence
            )
            return
        LOGGER.warning("alarm %s about %s changed too often to be noted", alarm.condition, alarm.subject)

    def _read(self, key: str) -> tuple[Alarm | None, str | None]:
        try:
            found = self._store.get(key)
        except ObjectMissing:
            return None, None
        return Alarm(**json.loads(found.body)), found.etag

    def _key(self, condition: str, subject: str) -> str:
        digest = hashlib.sha256(f"{condition}\0{subject}".encode()).hexdigest()[:20]
        return meta_key(self._root, KIND, condition, f"{digest}.json")


def _merged(held: Alarm | None, change: Alarm) -> Alarm | None:
    """The alarm after a change; None where nothing changes."""
    is_open = held is not None and held.closed_ms == 0
    if change.closed_ms == 0:
        return None if is_open else change
    if held is not None and is_open:
        return held._replace(closed_ms=change.closed_ms)
    # An alarm that opened and closed while the store was away is noted as what it was.
    return change if change.opened_ms and (held is None or held.closed_ms < change.opened_ms) else None
