"""
The path of a file that belongs to a measurement report: `<folder>/<report><suffix>`, such as its packed original.

A report's own name may have every byte that a name can have, and may be called as the companion of another: `r` and
`r.gz/x` are two reports of one batch. Where the place by name cannot be, it is `<folder>/<collector>/<batch>/~<hash of
the report's path><suffix>`, which always fits.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from include.common.atomic_files import NAME_BYTES_MAX

# For the number of a second file of one path, such as `.999`.
_NUMBER_BYTES = 4
_HASH_DIGITS = 40


def companion_path(folder: Path, report: str, suffix: str) -> Path:
    """The place to write to, by name where that is possible now; a file that is there already keeps its place."""
    by_name, by_hash = companion_paths(folder, report, suffix)
    return by_name if _is_possible(folder, by_name) else by_hash


def companion_paths(folder: Path, report: str, suffix: str) -> tuple[Path, Path]:
    """Both places where it may be: by name, then by hash."""
    head = report.split("/")[:2] if report.count("/") > 1 else report.split("/")[:-1]
    digest = hashlib.sha256(report.encode()).hexdigest()[:_HASH_DIGITS]
    return folder / (report + suffix), folder.joinpath(*head, f"~{digest}{suffix}")


def _is_possible(folder: Path, place: Path) -> bool:
    if len(place.name.encode()) + _NUMBER_BYTES > NAME_BYTES_MAX or place.is_dir():
        return False
    parents = place.relative_to(folder).parents
    return all((folder / parent).is_dir() or not (folder / parent).exists() for parent in reversed(parents))
