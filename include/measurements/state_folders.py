"""
The states of a measurement report are folders below one root, on one file system; a state change is one rename.

    raw ── sanitize ──> staging ── post-process ──> reports ── import ──> imported ── publish copies ──> public
     │                     └──────────────┬────────────┘
     ├──> quarantine/<reason>             │      what may not be published until a person has looked at it
     └──────────────> errored/<reason> <──┘      what cannot go on as it is
    archive             the originals, gzipped, readable for the owner only; `archived` notes whose each is

A measurement report's path relative to its folder, `<collector>/<batch>/<path>`, stays the same from state to state.
Why one is held is a file of its own below `reasons` (held_reasons.py), written before the move. `prepared`, `exports`
and `public` hold what can be made again; `restoring` holds restores at work.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from include.common.atomic_files import free_name, rename_durably
from include.measurements.archived_originals import ArchivedOriginals
from include.measurements.held_reasons import HeldReasons
from spool.errors import SettingsError, TransientError
from spool.file_lock import FileLock

PublishableState = Literal["staging", "reports", "imported"]
HeldKind = Literal["quarantine", "errored"]

PUBLISHABLE: tuple[PublishableState, ...] = ("staging", "reports", "imported")
HELD_KINDS: tuple[HeldKind, ...] = ("quarantine", "errored")
# Only the owner may look into these: originals and what was not sanitized.
PRIVATE = ("raw", *HELD_KINDS, "reasons", "archive", "archived", "sanitizing", "bad_documents", "restoring")


class AnotherRun(TransientError):
    """Another process is at work on these folders."""


class StateFolders:
    """Makes the folders that are missing; SettingsError if they are not on one file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in (*PUBLISHABLE, *PRIVATE):
            folder = root / name
            if not folder.exists():
                folder.mkdir(parents=True, mode=0o700 if name in PRIVATE else 0o750)
        check_one_file_system(root, *(root / name for name in (*PUBLISHABLE, *PRIVATE)))
        self.prepared, self.exports, self.public = root / "prepared", root / "exports", root / "public"
        self.errored, self.restoring = root / "errored", root / "restoring"
        self.reasons = HeldReasons(root / "reasons", root)
        self.originals = ArchivedOriginals(root / "archive", root / "archived")

    def path(self, state: str, report: str) -> Path:
        return self.root / state / report

    def prepared_path(self, report: str) -> Path:
        """Named by a hash: a report's name may be as long as a name can be."""
        return self.prepared / f"{hashlib.sha256(report.encode()).hexdigest()[:40]}.bson"

    def reports(self, state: PublishableState) -> list[str]:
        """Regular files below the state folder, sorted; hidden ones are being written."""
        base = self.root / state
        files: list[Path] = []
        for parent, folders, names in os.walk(base):
            folders[:] = [name for name in folders if not name.startswith(".")]
            files += [Path(parent, name) for name in names if not name.startswith(".")]
        return sorted(file.relative_to(base).as_posix() for file in files if file.is_file() and not file.is_symlink())

    def move(self, report: str, source: PublishableState, target: PublishableState) -> None:
        """Rename, durable when it returns. Nothing is overwritten: FileExistsError."""
        rename_durably(self.path(source, report), self.path(target, report))

    def held_path(self, kind: HeldKind, reason: str, report: str) -> Path:
        return self.root / kind / reason / report

    def hold(self, source: Path, kind: HeldKind, report: str, reason: Mapping[str, object]) -> Path:
        """Move `source` to `<kind>/<reason>/<report>`, its reason first. A name that is taken gets a number."""
        target = free_name(self.held_path(kind, str(reason["reason"]), report))
        self.reasons.write(target, reason)
        rename_durably(source, target)
        return target

    def held(self) -> list[Path]:
        """Every held measurement report, sorted; reason files of an earlier form beside them are not listed."""
        return sorted(
            file
            for kind in HELD_KINDS
            for file in (self.root / kind).rglob("*")
            if file.is_file() and not file.name.startswith(".") and not self.reasons.is_beside_report(file)
        )

    def held_as(self, report: str) -> list[Path]:
        """Where a measurement report of this path is held, sorted: usually nowhere or in one place."""
        return sorted(
            folder / report
            for kind in HELD_KINDS
            for folder in (self.root / kind).glob("*")
            if (folder / report).is_file()
        )

    @contextmanager
    def alone(self, feature: str) -> Iterator[None]:
        """AnotherRun where a process of this feature works on these folders already."""
        lock = FileLock(self.root / f".{feature}.lock")
        try:
            if not lock.try_acquire():
                raise AnotherRun(f"another run holds {lock.path}", hint="wait for it to end")
            yield
        finally:
            lock.close()


def check_one_file_system(first: Path, *others: Path) -> None:
    """SettingsError names the folder that is elsewhere: a rename to it would be a copy that can stop half-way."""
    device = first.stat().st_dev
    for folder in others:
        if folder.stat().st_dev != device:
            raise SettingsError(
                f"{folder} is not on the file system of {first}",
                hint="states must be on one file system: move the folder, or give another state folder",
            )


def prune(folder: Path, older_than_s: float, now_s: float) -> None:
    """Remove empty folders below `folder` that nobody has touched for a while."""
    for parent, _, _ in os.walk(folder, topdown=False):
        path = Path(parent)
        with suppress(OSError):
            if path != folder and path.stat().st_mtime < now_s - older_than_s:
                path.rmdir()
