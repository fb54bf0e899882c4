"""From paths and globs to the files that may be read: by name, kind and their first bytes."""

from __future__ import annotations

import glob
import gzip
import zlib
from pathlib import Path
from typing import IO, NamedTuple, cast

from include.log_files.config import IntakeRequest, LogFilesConfig
from spool.errors import SettingsError

# A NUL byte this near to the start says that a file is not text (wtmp, journals, cores); the usual test of grep.
LOOK_BYTES = 8192


class Chosen(NamedTuple):
    """`files` in the order of their names, each once; `passed_over` with the reason for each."""

    files: list[Path]
    passed_over: list[tuple[Path, str]]


def choose(request: IntakeRequest, config: LogFilesConfig) -> Chosen:
    """
    SettingsError when a path leads out of the roots, nothing matches, or too much does.

    A glob takes what is readable text; a path without wildcards must be.
    """
    matches: dict[Path, bool] = {}
    for pattern in request.paths:
        for path in _matches(pattern, config):
            matches[path] = matches.get(path, False) or not glob.has_magic(pattern)
    files, passed_over = [], []
    for path, named in sorted(matches.items()):
        reason = _unfit(path, config)
        if reason and named:
            raise SettingsError(f"conf: paths: {path}: {reason}", hint="take the path out of the conf")
        if reason:
            passed_over.append((path, reason))
        else:
            files.append(path)
    _check_number(files, request, config)
    return Chosen(files, passed_over)


def _matches(pattern: str, config: LogFilesConfig) -> set[Path]:
    # Refused before the disk is searched: an error must not reveal what is elsewhere.
    fixed = Path(*_fixed_parts(pattern)).resolve()
    if not any(fixed.is_relative_to(root) for root in config.roots):
        roots = ", ".join(map(str, config.roots))
        raise SettingsError(
            f"conf: paths: {pattern} is, links followed, not below an allowed root ({roots})",
            hint="name files below an allowed root, or add the root to config/log_files.yml",
        )
    matches = {match.resolve() for match in Path("/").glob(pattern.lstrip("/")) if not match.is_dir()}
    if not matches:
        raise SettingsError(
            f"conf: paths: nothing matches {pattern}",
            hint="of a folder take its files: /* or, with all below it, /**/*",
        )
    return matches


def _fixed_parts(pattern: str) -> list[str]:
    parts: list[str] = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return parts


def _unfit(path: Path, config: LogFilesConfig) -> str:
    if not any(path.is_relative_to(root) for root in config.roots):
        return "leads out of the allowed roots through a link"
    if not path.is_file():
        return "is not a regular file"
    try:
        with opened(path) as file:
            return "is not text" if b"\0" in file.read(LOOK_BYTES) else ""
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except (EOFError, zlib.error):
        return "is not a whole gzip file"


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked if its name ends in .gz (rotated logs)."""
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _check_number(files: list[Path], request: IntakeRequest, config: LogFilesConfig) -> None:
    if not files:
        raise SettingsError(
            f"conf: paths: no readable text file among {', '.join(request.paths)}", hint="see the log above"
        )
    if len(files) > config.files_max:
        raise SettingsError(
            f"conf: paths: {len(files)} files match, at most {config.files_max} are taken in one run",
            hint="narrow the glob",
        )
