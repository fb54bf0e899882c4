"""`config/log_files.yml` and the request of one intake, both checked."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from spool import config_file
from spool.config_file import Block, Key

FORMAT_VERSION = 1
DEFAULT_FILE = Path(__file__).parent.parent.parent / "config" / "log_files.yml"
EVENTS_MAX = 5_000_000
PATHS_MAX = 100
_ABSOLUTE = re.compile(r"/")


@dataclass(frozen=True)
class LogFilesConfig:
    """`roots` are absolute folders with links resolved; only files below one of them are read."""

    roots: tuple[Path, ...]
    files_max: int


@dataclass(frozen=True)
class IntakeRequest(Block):
    """What one intake reads."""

    paths: Annotated[
        tuple[Annotated[str, Key(pattern=_ABSOLUTE, what="absolute, such as /var/log/*.log")], ...],
        Key("absolute paths or globs", items=1, items_max=PATHS_MAX),
    ]
    stream: Annotated[str, Key("stream of the events")] = "machine_logs"
    max_events: Annotated[
        int, Key("at most this many lines are taken in over all files", at_least=1, at_most=EVENTS_MAX)
    ] = 100_000


def intake_request(conf: Mapping[str, Any]) -> IntakeRequest:
    """From a conf payload; SettingsError names the key."""
    return config_file.check(conf, IntakeRequest, source="conf", hint="correct the conf and trigger again")


@dataclass(frozen=True)
class LogFilesFile(Block):
    """The whole of `config/log_files.yml`."""

    roots: Annotated[
        tuple[Annotated[str, Key()], ...],
        Key(
            "folders below which files may be read; `$NAME` is taken from the environment, and a root whose variable "
            "is not set is left out",
            items=1,
        ),
    ]
    files_max: Annotated[int, Key("a request that matches more files is refused", "files", at_least=1)]


def load(path: Path = DEFAULT_FILE, environment: Mapping[str, str] = os.environ) -> LogFilesConfig:
    """Read the file; a SettingsError names the file and the key. A root of an unset variable is left out."""
    file = config_file.load(path, LogFilesFile, version=FORMAT_VERSION)
    roots = [_root(path, number, text, environment) for number, text in enumerate(file.roots)]
    return LogFilesConfig(tuple(root for root in roots if root is not None), file.files_max)


def _root(path: Path, number: int, text: str, environment: Mapping[str, str]) -> Path | None:
    try:
        expanded = string.Template(text).substitute(environment)
    except KeyError:
        return None
    except ValueError as error:
        raise config_file.refusal(path, ("roots", number), str(error)) from None
    root = Path(expanded)
    if not root.is_absolute() or len(root.parts) < 2:
        raise config_file.refusal(path, ("roots", number), f"must be an absolute folder below /, is {expanded!r}")
    return root.resolve()
