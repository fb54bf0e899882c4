"""A client that keeps what is appended in lists, and fails on request."""

from __future__ import annotations

import threading

from spool.event import Accepted, Event, OffsetRange, ProducerPosition


class FakeSpoolClient:
    """`failures`: errors raised by the next appends, one each; None lets one through."""

    def __init__(self, failures=(), log="fake1"):
        self.failures = list(failures)
        self.log = log
        self.appended: dict[str, list[Event]] = {}
        self.groups: list[list[Event]] = []
        self.sequences = {}
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

    def append_once(self, stream, events, sequence, *, acknowledgement=None, timeout_s=30.0):
        """The last sequence again, or the next one; anything else is a mistake of the caller."""
        key = (stream, sequence.producer)
        last, accepted = self.sequences.get(key, (0, None))
        if sequence.sequence == last:
            return accepted._replace(repeated=True)
        assert (sequence.sequence, sequence.log) == (last + 1, self.log)
        accepted = self.append(stream, events, acknowledgement=acknowledgement, timeout_s=timeout_s)
        self.sequences[key] = (sequence.sequence, accepted)
        return accepted

    def log_of(self, stream):
        return self.log

    def last_of(self, stream, producer):
        last, accepted = self.sequences.get((stream, producer), (0, None))
        return ProducerPosition(self.log, last, accepted.ranges[-1].next if accepted else 0)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass
