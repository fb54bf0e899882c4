"""
What we can still prove of a collected batch: its originals, hashed now, wherever the later stages have put them.

    raw/<collector>/<batch>/<path>                         not sanitized yet
    archive/<collector>/<batch>/<path>.gz                  sanitized: unpacked and hashed
    quarantine|errored/<reason>/<collector>/<batch>/<path> held

A batch that was sent back (`redrive`) has a new name that ends in the old one. A host deletes its copy only of what is
found here: a record that says "it was whole a week ago" proves nothing about the disk of today.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from include.measurements.archived_originals import COPIES_MAX, ArchivedOriginals, is_file
from include.measurements.batch_manifest import Manifest, sha256_of
from include.measurements.collect.transport import REDRIVEN_PREFIX
from include.measurements.state_folders import HELD_KINDS


def unproven(state: Path, collector: str, batch: str, manifest: Manifest) -> list[str]:
    """Paths whose originals are not here any more as collected, sorted. OSError where one cannot be read."""
    originals = ArchivedOriginals(state / "archive", state / "archived")
    folders = [f"{collector}/{name}" for name in _names(state, collector, batch)]
    return sorted(path for path, sha256 in manifest.items() if not _is_here(state, originals, folders, path, sha256))


def _is_here(state: Path, originals: ArchivedOriginals, folders: list[str], path: str, sha256: str) -> bool:
    reports = [f"{folder}/{path}" for folder in folders]
    return any(sha256_of(file) == sha256 for report in reports for file in _unpacked(state, report)) or any(
        originals.has(report, sha256) for report in reports
    )


def _unpacked(state: Path, report: str) -> Iterator[Path]:
    reasons = [reason for kind in HELD_KINDS for reason in sorted((state / kind).glob("*"))]
    for folder in (state / "raw", *reasons):
        if is_file(file := folder / report):
            yield file
        # A second report of one path is held under a number.
        for number in range(1, COPIES_MAX):
            if not is_file(numbered := file.with_name(f"{file.name}.{number}")):
                break
            yield numbered


def _names(state: Path, collector: str, batch: str) -> list[str]:
    """The batch, and what it was sent back as."""
    places = [state / "raw", state / "archive"]
    places += [reason for kind in HELD_KINDS for reason in (state / kind).glob("*")]
    redriven = {
        folder.name
        for place in places
        for folder in (place / collector).glob(f"{REDRIVEN_PREFIX}*-{batch}")
        if folder.is_dir()
    }
    return [batch, *sorted(redriven)]
