"""
Drain several streams side by side: a thread and a replayer each, which send stored batches and mostly wait.

A stream that fails stops no other. What became of each is returned when all have ended; `most_urgent` is the order of
errors for a caller that can raise one only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, NamedTuple, Protocol, TypeVar

from spool.replay.standing import urgency

Summary = TypeVar("Summary")
Summary_co = TypeVar("Summary_co", covariant=True)


class Drains(Protocol[Summary_co]):
    """What of a Replayer is used here."""

    def drain(
        self,
        *,
        max_events: int | None,
        deadline_s: float | None,
        follow: bool,
        dry_run: bool,
        stop: threading.Event,
    ) -> Summary_co: ...


class Drained(NamedTuple, Generic[Summary]):
    """By stream: what it did, or why it failed. Every stream is in one of the two."""

    summaries: dict[str, Summary]
    errors: dict[str, BaseException]


def drain_streams(
    replayers: Mapping[str, Drains[Summary]],
    *,
    max_events: int | None = None,
    deadline_s: float | None = None,
    follow: bool = False,
    dry_run: bool = False,
    stop: threading.Event | None = None,
) -> Drained[Summary]:
    """
    As `Replayer.drain`, of each. Where this thread is interrupted while it waits, the drains stop after the
    transaction at hand and give their logs up before the interruption goes on.
    """
    stop = stop or threading.Event()
    if not replayers:
        return Drained({}, {})
    with ThreadPoolExecutor(len(replayers), thread_name_prefix="drain") as pool:
        running = {
            stream: pool.submit(
                replayer.drain,
                max_events=max_events, deadline_s=deadline_s, follow=follow, dry_run=dry_run, stop=stop,
            )
            for stream, replayer in replayers.items()
        }  # fmt: skip
        try:
            wait(running.values())
        except BaseException:
            stop.set()
            raise
    return _outcomes(running)


def most_urgent(errors: Iterable[BaseException]) -> BaseException:
    """What is ours to repair, then what needs a person, then what passes by itself, then another owner."""
    return min(errors, key=urgency)


def _outcomes(running: Mapping[str, Future[Summary]]) -> Drained[Summary]:
    errors = {stream: error for stream, future in running.items() if (error := future.exception()) is not None}
    return Drained({stream: future.result() for stream, future in running.items() if stream not in errors}, errors)
