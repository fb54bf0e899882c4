"""From a request to appends: pure, the same for the same request."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

from include.demo_events.config import DemoRequest
from include.demo_events.events import DemoEvent
from spool.event import Event

# One append of single events: large enough that waiting for S3 (half a second) costs little, and well below the
# 8 MB of a commit.
APPEND_EVENTS_MAX = 10_000
APPEND_BYTES_MAX = 2 * 1024 * 1024


class Append(NamedTuple):
    """What one call of the client carries."""

    events: list[Event]
    is_group: bool


def appends(request: DemoRequest) -> Iterator[Append]:
    """The load in order: single events, and after each share of them a group, evenly over the whole."""
    make = _Maker(request)
    at_most = min(APPEND_EVENTS_MAX, max(1, APPEND_BYTES_MAX // request.value_bytes))
    done = groups_made = 0
    while done < request.events:
        if groups_made < request.groups and done * request.groups >= groups_made * request.events:
            yield Append(make(done, request.group_size), is_group=True)
            done += request.group_size
            groups_made += 1
        else:
            size = min(at_most, _singles_before_next_group(request, done, groups_made))
            yield Append(make(done, size), is_group=False)
            done += size


def _singles_before_next_group(request: DemoRequest, done: int, groups_made: int) -> int:
    remaining = request.events - done
    if groups_made == request.groups:
        return remaining
    next_group_at = -(-groups_made * request.events // request.groups)
    return max(1, min(remaining, next_group_at - done))


class _Maker:
    """Makes events `first` to `first + size` - 1; called with rising numbers: the keys come from one generator."""

    def __init__(self, request: DemoRequest) -> None:
        self._seed = request.seed
        self._random = random.Random(request.seed)
        self._keys = [b"key-%05d" % n for n in range(request.keys)]
        zipf = request.key_distribution == "zipf"
        self._weights = list(itertools.accumulate(1 / (n + 1) if zipf else 1.0 for n in range(request.keys)))
        self._value_bytes = request.value_bytes

    def __call__(self, first: int, size: int) -> list[Event]:
        keys = self._random.choices(self._keys, cum_weights=self._weights, k=size)
        return [self._event(n, key) for n, key in enumerate(keys, start=first)]

    def _event(self, n: int, key: bytes) -> Event:
        head = b'{"n":%d,"seed":%d,"key":"%s","fill":"' % (n, self._seed, key)
        fill = b"." * (self._value_bytes - len(head) - 2)
        return Event(head + fill + b'"}', key=key, id=f"demo-{self._seed}-{n}", type=DemoEvent.type)
