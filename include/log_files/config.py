"""`config/log_files.yml` and the request of one intake, both checked."""

from __future__ import annotations

import os
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spool.errors import SettingsError

FORMAT_VERSION = 1
DEFAULT_FILE = Path(__file__).parent.parent.parent / "config" / "log_files.yml"
EVENTS_MAX = 5_000_000
PATHS_MAX = 100


@dataclass(frozen=True)
class LogFilesConfig:
    """`roots` are absolute folders with links resolved; only what lies below one of them is read."""

    roots: tuple[Path, ...]
    files_max: int


@dataclass(frozen=True)
class IntakeRequest:
    """`paths` are absolute paths or globs; at most `max_events` lines are taken in over all files."""

    paths: tuple[str, ...]
    stream: str = "machine_logs"
    max_events: int = 100_000

    def __post_init__(self) -> None:
        if not 1 <= len(self.paths) <= PATHS_MAX:
            raise _bad("paths", f"must name 1 to {PATHS_MAX} files or globs, names {len(self.paths)}")
        for path in self.paths:
            if not isinstance(path, str) or not path.startswith("/"):
                raise _bad("paths", f"must be absolute, such as /var/log/*.log, is {path!r}")
        if type(self.max_events) is not int or not 1 <= self.max_events <= EVENTS_MAX:
            raise _bad("max_events", f"must be 1 to {EVENTS_MAX:,}, is {self.max_events!r}")


def intake_request(conf: Mapping[str, Any]) -> IntakeRequest:
    """From a conf payload; SettingsError names the key."""
    known = {"paths", "stream", "max_events"}
    if unknown := sorted(set(conf) - known):
        raise _bad(unknown[0], f"is unknown; known are {', '.join(sorted(known))}")
    paths = conf.get("paths")
    if not isinstance(paths, list | tuple):
        raise _bad("paths", f"must be a list of paths, is {paths!r}")
    return IntakeRequest(**{**conf, "paths": tuple(paths)})


def load(path: Path = DEFAULT_FILE, environment: Mapping[str, str] = os.environ) -> LogFilesConfig:
    """Read the file; a SettingsError names file and key. A root of an unset variable is left out."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or document.get("version") != FORMAT_VERSION:
        raise SettingsError(f"{path}: version: must be {FORMAT_VERSION}")
    if unknown := sorted(set(document) - {"version", "roots", "files_max"}):
        raise SettingsError(f"{path}: {unknown[0]}: unknown key; known are roots, files_max")
    files_max = document.get("files_max")
    if type(files_max) is not int or files_max < 1:
        raise SettingsError(f"{path}: files_max: must be 1 or more, is {files_max!r}")
    roots = document.get("roots")
    if not isinstance(roots, list) or not roots:
        raise SettingsError(f"{path}: roots: must be a list of folders")
    found = [_root(path, number, text, environment) for number, text in enumerate(roots)]
    return LogFilesConfig(tuple(root for root in found if root is not None), files_max)


def _root(path: Path, number: int, text: object, environment: Mapping[str, str]) -> Path | None:
    if not isinstance(text, str):
        raise SettingsError(f"{path}: roots.{number}: must be text, is {text!r}")
    try:
        expanded = string.Template(text).substitute(environment)
    except KeyError:
        return None
    except ValueError as error:
        raise SettingsError(f"{path}: roots.{number}: {error}") from None
    root = Path(expanded)
    if not root.is_absolute() or len(root.parts) < 2:
        raise SettingsError(f"{path}: roots.{number}: must be an absolute folder below /, is {expanded!r}")
    return root.resolve()


def _bad(key: str, message: str) -> SettingsError:
    return SettingsError(f"conf: {key} {message}", hint="correct the conf and trigger again")
