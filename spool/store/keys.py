"""
The names of everything in the object store.

    <root>/<stream>/<log>/<segment, 12 digits>.seg     the segments of a log and nothing else
    <root>/_meta/<kind>/...                            floors, heads, markers, dead letters, alarms, probes

Stream names begin with a letter or a digit, so `_meta` is never one. All parts consist of `a-z 0-9 _`, whose bytes are
above `/` and `.`: listings have one order in every store, also in those that walk a tree.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from spool.event import NAME

META = "_meta"
SUFFIX = ".seg"
_SEGMENT = re.compile(r"(\d{12})\.seg\Z")
SEGMENT_MAX = 10**12 - 1


class SegmentKey(NamedTuple):
    """What the key of a segment says."""

    stream: str
    log: str
    segment: int


def log_prefix(root: str, stream: str, log: str) -> str:
    """What all keys of one log begin with; ends in `/`."""
    return f"{root}/{_name(stream)}/{_name(log)}/"


def segment_key(root: str, stream: str, log: str, segment: int) -> str:
    """ValueError for a name or a number that no key can hold."""
    if not 0 <= segment <= SEGMENT_MAX:
        raise ValueError(f"segment number {segment}")
    return f"{log_prefix(root, stream, log)}{segment:012d}{SUFFIX}"


def parse_segment_key(root: str, key: str) -> SegmentKey | None:
    """None where the key is no segment below this root."""
    if not key.startswith(f"{root}/"):
        return None
    parts = key.removeprefix(f"{root}/").split("/")
    if len(parts) != 3 or not NAME.match(parts[0]) or not NAME.match(parts[1]):
        return None
    number = _SEGMENT.match(parts[2])
    return SegmentKey(parts[0], parts[1], int(number[1])) if number else None


def meta_key(root: str, kind: str, *parts: str) -> str:
    """A key outside the logs. Parts may hold further characters than names, but no empty or relative path."""
    for part in parts:
        if part in ("", ".", "..") or "/" in part:
            raise ValueError(f"part {part!r} of a key")
    return "/".join((root, META, _name(kind), *parts))


def _name(text: str) -> str:
    if not NAME.match(text):
        raise ValueError(f"{text!r} cannot be part of a key")
    return text
