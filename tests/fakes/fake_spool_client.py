"""A client that keeps what is appended in lists, and fails as it is told."""

from __future__ import annotations

import threading

from spool.event import Accepted, Event, OffsetRange


class FakeSpoolClient:
    """`failures`: errors raised by the next appends, one each; None lets one through."""

    def __init__(self, failures=(), log="fake1"):
        self.failures = list(failures)
        self.log = log
        self.appended: dict[str, list[Event]] = {}
        self.groups: list[list[Event]] = []
        self.calls = 0
        self._lock = threading.Lock()

    def append(self, stream, events, *, acknowledgement=None, timeout_s=30.0):
        with self._lock:
            self.calls += 1
            if self.failures and (error := self.failures.pop(0)):
                raise error
            kept = self.appended.setdefault(stream, [])
            first = len(kept)
            kept.extend(events)
            return Accepted(stream, self.log, (OffsetRange(first, len(kept)),), acknowledgement or "disk")

    def append_group(self, stream, events, *, acknowledgement=None, timeout_s=30.0):
        accepted = self.append(stream, events, acknowledgement=acknowledgement, timeout_s=timeout_s)
        self.groups.append(list(events))
        return accepted

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass
