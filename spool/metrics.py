"""
Every figure the engine reports, in one table: name, unit, meaning. `stats` prints them; pages and alarms use the same
names.

A figure whose source cannot be reached is None, never 0.
"""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """`name` ends in its unit where it has one."""

    name: str
    unit: str
    meaning: str


METRICS = (
    Metric("appended", "events", "offsets given out by this host's log, from its lock file"),
    Metric("unsealed", "events", "of these, in the open segment"),
    Metric("sealed_segments", "segments", "sealed on this host and not yet shipped"),
    Metric("archived", "events", "next offset after the newest object in the store"),
    Metric("archived_objects", "objects", "objects of the log in the store, from the newest number and the floor"),
    Metric("delivered", "events", "next offset in the checkpoint: what read_committed readers of Kafka can see"),
    Metric("waiting", "events", "archived but not delivered: the backlog of replay"),
    Metric("generation", "rewinds", "how often the log was rewound"),
    Metric("oldest_waiting_s", "seconds", "age of the oldest event not delivered, by event time"),
    Metric("folder_free_bytes", "bytes", "free space on the spool folder's file system"),
    Metric("alarms", "alarms", "open alarms about the log"),
)

NAMES = tuple(metric.name for metric in METRICS)
