"""
What a collector's gate may answer. Everything here comes from a machine that is not ours, and is checked before it
names a path, is counted or is stored: its length, its form, its types, its numbers.

    list      one JSON object a line: {"batch": NAME, ...}
    stage     {"batch": NAME, "files": N, "waiting": N, "unfit": N, "unread": [DIRECTORY, ...]}
    manifest  `sha256  path` lines: batch_manifest.parse
    forget    {"forgotten": N, "changed": [PATH, ...], "left": N}

GateRefused names the verb and what does not fit, never the text: it may hold names that were not sanitized.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, NamedTuple

from include.measurements.batch_manifest import FILES_MAX, Manifest
from include.measurements.collect.errors import GateRefused
from include.measurements.collect.transport import BATCHES_MAX, Forgotten

# A line of `list` has some hundred bytes.
LIST_BYTES_MAX = 4 * 1024 * 1024
STAGE_BYTES_MAX = 64 * 1024
_HINT = "is collector_gate the forced command of this key, and of this version?"


class Staged(NamedTuple):
    """
    What a host put into a new batch.

    waiting   files that are still being written, or that the batch had no room for
    unfit     files whose names fit no manifest; they stay at the host
    unread    directories that are missing there, or cannot be listed whole
    """

    files: int
    waiting: int
    unfit: int
    unread: tuple[str, ...] = ()


def offered_batches(text: str) -> list[str]:
    """
    The names in the answer to `list`, sorted, each once, as the host gives them: not one is a name of ours yet.

    What is not text becomes `<its type>`, which is not a valid name of a batch: it is refused, and the others are used.
    """
    lines = [line for line in _bounded("list", text, LIST_BYTES_MAX).split("\n") if line.strip()]
    if len(lines) > BATCHES_MAX:
        raise _refused("list", f"{len(lines)} batches are more than the {BATCHES_MAX} a host may have")
    names = (_row("list", line).get("batch") for line in lines)
    return sorted({name if isinstance(name, str) else f"<{type(name).__name__}>" for name in names})


def staged(text: str, batch: str, directories: Collection[str]) -> Staged:
    """The answer to `stage` for this batch and these directories. Gates of before 25 November 2026 name none unread."""
    row = _row("stage", _bounded("stage", text, STAGE_BYTES_MAX))
    if row.get("batch", batch) != batch:
        raise _refused("stage", "the answer is about another batch")
    files, waiting = _number("stage", row, "files", FILES_MAX), _number("stage", row, "waiting")
    unread = row.get("unread", [])
    if not isinstance(unread, list) or not all(isinstance(name, str) and name in directories for name in unread):
        raise _refused("stage", "`unread` is no list of the directories that were asked for")
    return Staged(files, waiting, _number("stage", {"unfit": 0, **row}, "unfit"), tuple(unread))


def forgotten(text: str, manifest: Manifest) -> Forgotten:
    """The answer to `forget` of a batch with this manifest; every path is one of it, and the numbers add up to it."""
    row = _row("forget", text)
    files, left = _number("forget", row, "forgotten", len(manifest)), _number("forget", row, "left", len(manifest))
    changed = row.get("changed")
    if not isinstance(changed, list) or not all(isinstance(path, str) and path in manifest for path in changed):
        raise _refused("forget", "`changed` is no list of paths of the manifest")
    if len(set(changed)) != len(changed) or files + left + len(changed) > len(manifest):
        raise _refused("forget", "more files than the manifest has")
    return Forgotten(files, tuple(changed), left)


def _number(verb: str, row: dict[str, Any], name: str, most: int = 2**53) -> int:
    value = row.get(name)
    if type(value) is not int or not 0 <= value <= most:
        raise _refused(verb, f"`{name}` is no number from 0 to {most}")
    return value


def _row(verb: str, text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise _refused(verb, "the answer is not the gate's")
    return row


def _bounded(verb: str, text: str, most: int) -> str:
    if len(text) > most:
        raise _refused(verb, f"an answer of {len(text)} characters is longer than any right one")
    return text


def _refused(verb: str, message: str) -> GateRefused:
    return GateRefused(f"{verb}: {message}", hint=_HINT)
