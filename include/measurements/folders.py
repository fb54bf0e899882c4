"""
The state folders of a report, as this feature sees them. A report's state is the folder it lies in.

    staging ── post-process ──> reports ── import ──> imported          either may end in errored/<reason>

All lie below one root on one file system; a move is one rename. `prepared`, `exports` and `public` hold what can be
made again from them.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Literal

from include.common.atomic_files import rename_durably
from include.measurements.state_folders import StateFolders

State = Literal["staging", "reports", "imported"]


class Folders:
    """Paths of reports are relative to their state folder, with `/`, and stay the same from state to state."""

    def __init__(self, root: Path) -> None:
        self._states = StateFolders(root)
        self.root = root
        self.prepared, self.exports, self.public = root / "prepared", root / "exports", root / "public"
        self.errored, self.restoring = root / "errored", root / "restoring"

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
        """To errored/<reason>, with a file that says why and where it came from."""
        told = {"reason": reason, "message": message, "from": source}
        self._states.hold(self.path(source, report), "errored", report, told)

    def is_errored(self, report: str) -> bool:
        return any((folder / report).is_file() for folder in self.errored.glob("*"))

    def prepared_path(self, report: str) -> Path:
        return self.prepared / f"{report}.bson"

    def alone(self) -> AbstractContextManager[None]:
        """AnotherRun where a process works on these folders already."""
        return self._states.alone("measurements")


def prune(folder: Path, older_than_s: float, now_s: float) -> None:
    """Remove empty folders below `folder` that nobody has touched for a while."""
    for parent, _, _ in os.walk(folder, topdown=False):
        path = Path(parent)
        with suppress(OSError):
            if path != folder and path.stat().st_mtime < now_s - older_than_s:
                path.rmdir()
