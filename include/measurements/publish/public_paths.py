"""
Where measurement reports are below public/, and which files there are ours: `<state>/exports/public_paths`, one path
per line.

A path is noted before its file is made and goes only after the file is gone. So a copy that no index names, because
a process died, is known as ours and taken away; a file that somebody else put there is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from include.measurements.companion_paths import companion_path
from spool.durable_file import GROUP_READS, write_durably


def public_path(public: Path, report: str, country: str) -> str:
    """`reports/<country>/<report>.gz`, relative to public/, or the same by hash where that name cannot be."""
    return companion_path(public / "reports" / country, report, ".gz").relative_to(public).as_posix()


class PublicPaths:
    def __init__(self, file: Path) -> None:
        self._file = file
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        *lines, torn = text.split("\n")
        self._paths = set(lines)
        if torn:
            # It was being written when somebody died, and its file was not begun.
            self._write()

    def noted(self) -> list[str]:
        """Every path, sorted."""
        return sorted(self._paths)

    def add(self, path: str) -> None:
        """Durable when it returns."""
        if path in self._paths:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as file:
            file.write(f"{path}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        self._paths.add(path)

    def keep_only(self, paths: Iterable[str]) -> None:
        """Forget the others, whose files are gone."""
        kept = set(paths)
        if kept != self._paths:
            self._paths = kept
            self._write()

    def _write(self) -> None:
        write_durably(self._file, "".join(f"{path}\n" for path in self.noted()), mode=GROUP_READS)
