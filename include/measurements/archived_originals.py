"""
The private archive as those read it who did not write it: which originals are there, and whose they are.

    archive/<collector>/<batch>/<path>.gz          the original, packed; a second one of the same path is <path>.1.gz
    archive/<collector>/<batch>/~<hash>.gz         the same where that name cannot be (companion_paths.py)
    archived/<the same path>                       its note: {"report": ..., "sha256": ...}, written when it was packed

The note decides of which measurement report an original is: `r.1.gz` may be the second original of `r`, or the first
of a report that is named `r.1`. Archives of before 25 November 2026 have no notes; there the name decides, and the
report that exists where the name fits two.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

from include.measurements.companion_paths import companion_path, companion_paths
from spool.durable_file import write_durably

SUFFIX = ".gz"
# As many numbered originals of one path as sanitize/archive.py writes.
COPIES_MAX = 1000
_BLOCK_BYTES = 1024 * 1024


class ArchivedOriginals:
    """`archive` and `notes` are folders; paths are given relative to `archive`, with `/`."""

    def __init__(self, archive: Path, notes: Path) -> None:
        self.archive, self._notes = archive, notes

    def note(self, archived: Path, report: str, sha256: str) -> None:
        """Say of which report the packed file `archived` is. Durable when it returns."""
        path = self._notes / archived.relative_to(self.archive)
        write_durably(path, json.dumps({"report": report, "sha256": sha256}, sort_keys=True) + "\n", mode=0o600)

    def place(self, report: str) -> Path:
        """Where the first original of this report is packed, or is to be."""
        return companion_path(self.archive, report, SUFFIX)

    def noted_report(self, archived: str) -> str:
        """The report that the note names; empty where there is no note that can be read."""
        try:
            note = json.loads((self._notes / archived).read_bytes())
        except (OSError, ValueError):
            return ""
        report = note.get("report") if isinstance(note, dict) else None
        return report if isinstance(report, str) else ""

    def reports_by_name(self, archived: str) -> list[str]:
        """The reports it may be of, by its name alone: one, or two where the name ends in a number."""
        report = archived.removesuffix(SUFFIX)
        first, _, number = report.rpartition(".")
        is_second = number.isdecimal() and first != "" and is_file(self.archive / (first + SUFFIX))
        return [report, first] if is_second else [report]

    def copies(self, report: str) -> Iterator[Path]:
        """Every packed file that may be an original of this report, by its name or the hash of it."""
        for first in companion_paths(self.archive, report, SUFFIX):
            for number in range(COPIES_MAX):
                packed = first.with_name(f"{first.stem}.{number}{SUFFIX}") if number else first
                if not is_file(packed):
                    break
                yield packed

    def has(self, report: str, sha256: str) -> bool:
        """Whether an original with these bytes is here, unpacked and hashed now."""
        return any(unpacked_sha256(packed) == sha256 for packed in self.copies(report))

    def listed(self) -> Iterator[str]:
        """Every archived original, sorted."""
        files = (file for file in self.archive.rglob(f"*{SUFFIX}") if file.is_file() and not file.is_symlink())
        for path in sorted(file.relative_to(self.archive).as_posix() for file in files):
            if not any(part.startswith(".") for part in path.split("/")):
                yield path


def is_file(path: Path) -> bool:
    """A regular file of this name; False also for a name that is longer than a file can have."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR):
            return False
        raise


def unpacked_sha256(packed: Path) -> str:
    """Of what it unpacks to, in hex; empty where it is damaged."""
    digest = hashlib.sha256()
    try:
        with gzip.open(packed, "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return ""
    return digest.hexdigest()
