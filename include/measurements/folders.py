"""
The state folders of a report, as this feature sees them. A report's state is the folder it lies in.

    staging ── post-process ──> reports ── import ──> imported          either may end in errored/<reason>

All lie below one root on one file system; a move is one rename. `prepared`, `exports` and `public` hold what can be
made again from them.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from spool.errors import TransientError

State = Literal["staging", "reports", "imported"]

REASON_SUFFIX = ".reason.json"


class AnotherRun(TransientError):
    """Another process is at work on these folders."""


class Folders:
    """Paths of reports are relative to their state folder, with `/`, and stay the same from state to state."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.prepared, self.exports, self.public = root / "prepared", root / "exports", root / "public"
        self.errored, self.restoring = root / "errored", root / "restoring"
        for name in ("staging", "reports", "imported"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def path(self, state: State, report: str) -> Path:
        return self.root / state / report

    def reports(self, state: State) -> list[str]:
        """Regular files below the state folder, sorted; hidden ones are being written."""
        base = self.root / state
        found = []
        for parent, folders, names in os.walk(base):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [Path(parent, name) for name in names if not name.startswith(".")]
        return sorted(file.relative_to(base).as_posix() for file in found if file.is_file() and not file.is_symlink())

    def move(self, report: str, source: State, target: State) -> None:
        """Rename, durable when it returns. Nothing is overwritten: FileExistsError."""
        rename_durably(self.path(source, report), self.path(target, report))

    def move_to_errored(self, report: str, source: State, reason: str, message: str) -> None:
        """The reason is written first: a report in errored/ always has one."""
        target = self.errored / reason / report
        write_durably(
            target.with_name(target.name + REASON_SUFFIX),
            json.dumps({"reason": reason, "message": message, "from": source}),
        )
        rename_durably(self.path(source, report), target)

    def is_errored(self, report: str) -> bool:
        return any((folder / report).is_file() for folder in self.errored.glob("*"))

    def prepared_path(self, report: str) -> Path:
        return self.prepared / f"{report}.bson"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """AnotherRun where a process works on these folders already."""
        with (self.root / ".measurements.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AnotherRun(f"another run holds {lock.name}", hint="wait for it to end") from None
            yield


def rename_durably(source: Path, target: Path) -> None:
    """One rename on one file system, fsynced on both sides; FileExistsError where the target is taken."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise FileExistsError(f"{target} exists")
    source.rename(target)
    for folder in {source.parent, target.parent}:
        fsync_folder(folder)


def write_durably(path: Path, content: str | bytes, mode: int = 0o640) -> None:
    """The whole content or, whenever we die, what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prune(folder: Path, older_than_s: float, now_s: float) -> None:
    """Remove empty folders below `folder` that nobody has touched for a while."""
    for parent, _, _ in os.walk(folder, topdown=False):
        path = Path(parent)
        with suppress(OSError):
            if path != folder and path.stat().st_mtime < now_s - older_than_s:
                path.rmdir()
