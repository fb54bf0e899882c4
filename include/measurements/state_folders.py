"""
The states of a report are folders below one root, on one file system; a state change is one rename.

    raw ── sanitize ──> staging ── post-process ──> reports ── import ──> imported
     ├────────────────> quarantine/<reason>      what may not go on until a person has looked at it
     └────────────────> errored/<reason>         what cannot go on as it is
    archive             the originals, gzipped, readable for the owner only

A report's path relative to its folder, `<collector>/<batch>/<path>`, stays the same from state to state. Beside a
report in quarantine or errored lies `<name>.reason.json`, written before it.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from include.common.atomic_files import free_name, rename_durably, write_durably
from spool.errors import SettingsError, TransientError

REASON_SUFFIX = ".reason.json"
HELD_KINDS: tuple[HeldKind, ...] = ("quarantine", "errored")
PUBLISHABLE = ("staging", "reports", "imported")
# Only the owner may look into these: originals and what was not sanitized.
PRIVATE = ("raw", "quarantine", "errored", "archive", "sanitizing", "bad_documents")

HeldKind = Literal["quarantine", "errored"]


class AnotherRun(TransientError):
    """Another process is at work on these folders."""


class StateFolders:
    """Makes the folders that are missing; SettingsError where they do not lie on one file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in (*PUBLISHABLE, *PRIVATE):
            folder = root / name
            if not folder.exists():
                folder.mkdir(parents=True, mode=0o700 if name in PRIVATE else 0o750)
        check_one_file_system(root, *(root / name for name in (*PUBLISHABLE, *PRIVATE)))

    def path(self, state: str, report: str) -> Path:
        return self.root / state / report

    def held_path(self, kind: HeldKind, reason: str, report: str) -> Path:
        return self.root / kind / reason / report

    def hold(self, source: Path, kind: HeldKind, report: str, reason: Mapping[str, object]) -> Path:
        """Move `source` to `<kind>/<reason>/<report>`, its reason file first. A name that is taken gets a number."""
        target = free_name(self.held_path(kind, str(reason["reason"]), report))
        write_durably(reason_path(target), json.dumps(dict(reason), sort_keys=True) + "\n", mode=0o600)
        rename_durably(source, target)
        return target

    def held(self) -> list[Path]:
        """Every held report, sorted; reason files are not listed."""
        return sorted(
            file
            for kind in HELD_KINDS
            for file in (self.root / kind).rglob("*")
            if file.is_file() and not file.name.endswith(REASON_SUFFIX) and not file.name.startswith(".")
        )

    @contextmanager
    def alone(self, feature: str) -> Iterator[None]:
        """AnotherRun where a process of this feature works on these folders already."""
        with (self.root / f".{feature}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AnotherRun(f"another run holds {lock.name}", hint="wait for it to end") from None
            yield


def reason_path(held: Path) -> Path:
    return held.with_name(held.name + REASON_SUFFIX)


def check_one_file_system(first: Path, *others: Path) -> None:
    """SettingsError names the folder that lies elsewhere: a rename to it would be a copy that can stop half-way."""
    device = first.stat().st_dev
    for folder in others:
        if folder.stat().st_dev != device:
            raise SettingsError(
                f"{folder} is not on the file system of {first}",
                hint="states must lie on one file system: move the folder, or give another state folder",
            )
