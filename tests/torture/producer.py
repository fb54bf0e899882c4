"""
A producer that is killed at any time: it appends single events and groups, and journals what was answered.

The journal is outside the spool and is the only thing the checker believes. Each line is written and fsynced:

    {"try": n, "events": [[key, sequence, payload sha256, group], ...]}      before an append
    {"ok": n, "log": log, "ranges": [[first, next], ...]}                    after it was accepted

A try without an ok may or may not be delivered; an ok must be, exactly once, at its positions, with its payloads.
Sequences rise per key over all lives of one producer, so order per key can be checked.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
from pathlib import Path

from spool import settings
from spool.errors import AppendUnknown, TransientError
from spool.event import Accepted, Event
from spool.intake.client import SpoolClient
from spool.settings import places_from_environment

KEYS = 12


class Journal:
    """An append-only file of JSON lines, each durable when `write` returns."""

    def __init__(self, path: Path) -> None:
        self.tries, self.sequences = replay_counters(path)
        self._descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        # A killed life may have left half a line.
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            os.write(self._descriptor, b"\n")

    def write(self, row: dict[str, object]) -> None:
        os.write(self._descriptor, json.dumps(row, separators=(",", ":")).encode() + b"\n")
        os.fdatasync(self._descriptor)


def read_journal(path: Path) -> list[dict[str, object]]:
    """All whole lines; a torn one is no line."""
    rows = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def replay_counters(path: Path) -> tuple[int, dict[str, int]]:
    """Number of tries so far, and the next sequence of each key."""
    tries, sequences = 0, {}
    for row in read_journal(path):
        if "try" in row:
            tries = int(row["try"]) + 1  # type: ignore[call-overload]
            for key, sequence, _, _ in row["events"]:  # type: ignore[attr-defined]
                sequences[key] = sequence + 1
    return tries, sequences


def make_events(name: str, journal: Journal, choice: random.Random) -> tuple[list[Event], list[list[object]], bool]:
    group = choice.random() < 0.3
    number = choice.randint(2, 12) if group else choice.choice([1, 1, 5, 50, 200])
    events, rows = [], []
    for _ in range(number):
        key = f"{name}-{choice.randrange(KEYS)}"
        sequence = journal.sequences.get(key, 0)
        journal.sequences[key] = sequence + 1
        payload = json.dumps({"key": key, "sequence": sequence, "pad": "x" * choice.randrange(120)}).encode()
        events.append(Event(payload, key=key.encode(), type="torture"))
        rows.append([key, sequence, hashlib.sha256(payload).hexdigest(), journal.tries if group else None])
    return events, rows, group


def run(name: str, stream: str, journal: Journal, seed: int) -> None:
    choice = random.Random(seed)
    client = SpoolClient(places_from_environment().folder, settings.load(Path(os.environ["TORTURE_CONFIG"])))
    while True:
        events, rows, group = make_events(name, journal, choice)
        number, journal.tries = journal.tries, journal.tries + 1
        journal.write({"try": number, "events": rows})
        append = client.append_group if group else client.append
        try:
            accepted: Accepted = append(stream, events, timeout_s=20)
        except (AppendUnknown, TransientError) as error:
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        journal.write({"ok": number, "log": accepted.log, "ranges": [list(r) for r in accepted.ranges]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    run(options.name, options.stream, Journal(options.journal), options.seed)


if __name__ == "__main__":
    main()
