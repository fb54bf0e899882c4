"""
The manifest of a batch of files: one line `sha256  relative path` each, as sha256sum prints and checks them.

`raw/<collector>/<batch>.manifest` is written last, by rename: the batch beside it is complete when it is there, and
whole when it matches. It comes from outside, so paths are checked before anything is opened by them.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from include.common.atomic_files import NAME_BYTES_MAX
from spool.errors import TerminalError

MANIFEST_SUFFIX = ".manifest"
# Half of Linux's longest path; the other half is for the folders in front of it. collector_gate has the same limit.
PATH_BYTES_MAX = 2048
# Twice the largest batch of the gate.
FILES_MAX = 20_000

_LINE = re.compile(r"([0-9a-f]{64})  (.+)\Z")

Manifest = Mapping[str, str]
"""Relative path, with `/`, to the sha256 of the file's bytes in hex."""


class ManifestRefused(TerminalError):
    """The text is not a manifest, or names a path that leads out of its batch."""


class Difference(NamedTuple):
    """What a folder holds against its manifest; all three empty = it matches."""

    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unknown or self.changed)

    def __str__(self) -> str:
        # Counts only: names of files that were not sanitized yet may give away what is in them.
        parts = zip(("missing", "unknown", "changed"), self, strict=True)
        return ", ".join(f"{len(names)} {what}" for what, names in parts if names)


def parse(text: str) -> dict[str, str]:
    """The manifest in `text`; ManifestRefused names the line."""
    manifest: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        match = _LINE.match(line)
        if match is None or not is_safe_path(match[2]):
            raise ManifestRefused(f"line {number} is not `sha256  path` of a safe path")
        if match[2] in manifest:
            raise ManifestRefused(f"line {number} names a path again")
        manifest[match[2]] = match[1]
    if len(manifest) > FILES_MAX:
        raise ManifestRefused(f"{len(manifest)} files are more than a batch may have ({FILES_MAX})")
    return manifest


def encode(manifest: Manifest) -> str:
    """The text of a manifest, in the order of paths."""
    return "".join(f"{manifest[path]}  {path}\n" for path in sorted(manifest))


def is_safe_path(path: str) -> bool:
    """
    Relative, below its folder whatever it is joined to, one line of text, and no part of it hidden.

    Hidden names mark what is still being written, here as on a collector: a later stage would never take them.
    """
    return (
        path.isprintable()
        and len(path.encode()) <= PATH_BYTES_MAX
        and all(_is_safe_name(part) for part in path.split("/"))
    )


def _is_safe_name(part: str) -> bool:
    return part != "" and not part.startswith(".") and len(part.encode()) <= NAME_BYTES_MAX


def compare(folder: Path, manifest: Manifest) -> Difference:
    """Hash every file below `folder` against the manifest. A link or device is never equal, whatever it leads to."""
    present = _files(folder)
    listed = present.keys() & manifest.keys()
    return Difference(
        missing=tuple(sorted(manifest.keys() - present.keys())),
        unknown=tuple(sorted(present.keys() - manifest.keys())),
        changed=tuple(p for p in sorted(listed) if not _is_regular(present[p]) or sha256_of(present[p]) != manifest[p]),
    )


def hashed(folder: Path) -> dict[str, str]:
    """The manifest of the files below `folder`; ManifestRefused for what is not a regular file or has an unfit name."""
    manifest: dict[str, str] = {}
    for path, file in _files(folder).items():
        if not _is_regular(file) or not is_safe_path(path):
            raise ManifestRefused(f"{folder} holds what is no regular file, or a name that fits no line of text")
        manifest[path] = sha256_of(file)
    return manifest


def sha256_of(file: Path) -> str:
    """In hex; a symbolic link is not followed, and a pipe is not waited for."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _is_regular(file: Path) -> bool:
    return stat.S_ISREG(file.lstat().st_mode)


def _files(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for parent, folders, names in os.walk(folder, onerror=_raise):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in (*names, *links):
            file = Path(parent, name)
            files[file.relative_to(folder).as_posix()] = file
    return files


def _raise(error: OSError) -> None:
    # os.walk would pass over what it cannot read, and a manifest would lack its files. A missing folder is empty.
    if not isinstance(error, FileNotFoundError):
        raise error
