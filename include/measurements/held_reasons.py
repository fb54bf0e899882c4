"""
Why a measurement report is held: `reasons/<kind>/<reason>/<report>/reason.json`, apart from the report itself.

The report's name is a folder here, so a name of any length fits, and no report can be taken for a reason. Until
November 2026 a reason was stored beside its report as `<report>.reason.json`; these are still read, and removed with
their report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.common.atomic_files import remove_empty_folders
from spool.durable_file import write_durably

FILE_NAME = "reason.json"
BESIDE_SUFFIX = ".reason.json"


class HeldReasons:
    """Of the held reports below `root`; their paths are given below that root."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder, self._root = folder, root

    def path(self, held: Path) -> Path:
        return self._folder / held.relative_to(self._root) / FILE_NAME

    def write(self, held: Path, reason: Mapping[str, object]) -> None:
        """Durable when it returns; readable for the owner only."""
        write_durably(self.path(held), json.dumps(dict(reason), sort_keys=True) + "\n", mode=0o600)

    def read(self, held: Path) -> dict[str, Any]:
        """What is known about why it is held; empty where its reason is lost or unreadable."""
        for place in self._places(held):
            try:
                reason = json.loads(place.read_bytes())
            except (OSError, ValueError):
                continue
            if isinstance(reason, dict):
                return reason
        return {}

    def remove(self, held: Path) -> None:
        """After the report left; a reason that is gone already is no error."""
        path = self.path(held)
        if self._is_beside(held):
            _beside(held).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        remove_empty_folders(path.parent, keep=self._folder)

    def is_beside_report(self, file: Path) -> bool:
        """Whether `file` is a reason of the earlier form, and not a report that is named like one."""
        if not file.name.endswith(BESIDE_SUFFIX) or self.path(file).is_file():
            return False
        report = file.with_name(file.name.removesuffix(BESIDE_SUFFIX))
        # A report that left while its process died leaves its reason behind: still none of the reports.
        return report.name != "" and (report.is_file() or _is_reason(file))

    def _places(self, held: Path) -> list[Path]:
        return [self.path(held), *([_beside(held)] if self._is_beside(held) else [])]

    def _is_beside(self, held: Path) -> bool:
        # A name that is longer than a file may have cannot have been written.
        return len(_beside(held).name.encode(errors="surrogateescape")) <= 255 and self.is_beside_report(_beside(held))


def _beside(held: Path) -> Path:
    return held.with_name(held.name + BESIDE_SUFFIX)


def _is_reason(file: Path) -> bool:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"reason", "from"} <= content.keys()
