"""
The hosts of `config/collectors.yml` as frozen values.

Values end up as arguments of ssh and rsync, and some in one string that rsync splits again. So each is matched
against what it may be, letter by letter; what could be read as an option or as two words is refused, naming file
and key. `${NAME}` and `${NAME:-default}` are replaced from the environment before that: ports and paths of a machine
are no part of the code base.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from include.common.yaml_config import load_mapping
from spool.errors import SettingsError

DEFAULT_FILE = Path(__file__).parents[3] / "config" / "collectors.yml"
FORMAT_VERSION = 1
COLLECTORS_MAX = 1000

TransportName = Literal["rsync", "drop_folder", "announced"]

COLLECTOR_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,47}\Z")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
_HOST = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]*|[0-9a-fA-F:]*:[0-9a-fA-F:.]+)\Z")
_HOST_LENGTH_MAX = 253
_PATH = re.compile(r"/[A-Za-z0-9_./+@-]*\Z")
_DIRECTORY_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*\Z")
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True)
class Collector:
    """
    One source of files.

    transport     rsync: pull through the host's gate; announced: the same, but only batches the host announced;
                  drop_folder: batches that others put into `folder` on this machine
    host, user, port, key, known_hosts   of ssh; `key` and `known_hosts` are absolute paths here
    directories   below the host folder of the gate, such as `bouncer-nkvphnp3p6agi5qq/archive`
    quiet_s       a file untouched for so long is taken
    forget_after_days   proven files stay at the host for so long
    timeout_s     of one transfer
    """

    id: str
    transport: TransportName
    host: str = ""
    user: str = ""
    port: int = 22
    key: Path = Path()
    known_hosts: Path = Path()
    directories: tuple[str, ...] = ()
    folder: Path = Path()
    quiet_s: int = 120
    forget_after_days: float = 7.0
    timeout_s: int = 3600


_RSYNC_KEYS = ("host", "user", "port", "key", "known_hosts", "directories", "quiet_s")
_COMMON_KEYS = ("transport", "forget_after_days", "timeout_s")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "rsync": (*_COMMON_KEYS, *_RSYNC_KEYS),
    "announced": (*_COMMON_KEYS, *_RSYNC_KEYS),
    "drop_folder": (*_COMMON_KEYS, "folder"),
}


def load(path: Path = DEFAULT_FILE, environment: Mapping[str, str] = os.environ) -> dict[str, Collector]:
    """Read and check the file; SettingsError names file and key."""
    document = load_mapping(
        path, version=FORMAT_VERSION, keys=["collectors"], hint="see include/measurements/collect/README.md"
    )
    blocks = document["collectors"] or {}
    if not isinstance(blocks, dict) or len(blocks) > COLLECTORS_MAX:
        raise SettingsError(f"{path}: collectors: must be a mapping of at most {COLLECTORS_MAX} hosts")
    return {str(name): _Block(path, str(name), block, environment).collector() for name, block in blocks.items()}


class _Block:
    """One host of the file; every error says where."""

    def __init__(self, path: Path, name: str, block: object, environment: Mapping[str, str]) -> None:
        self._path, self._name, self._environment = path, name, environment
        if not COLLECTOR_ID.match(name):
            raise self._error("", f"{name!a} must be lower-case letters, digits and _")
        if not isinstance(block, dict):
            raise self._error("", "must be a mapping")
        self._block: dict[object, Any] = block

    def collector(self) -> Collector:
        transport = self._text("transport", "rsync")
        if transport not in get_args(TransportName):
            raise self._error("transport", f"must be one of {', '.join(get_args(TransportName))}, is {transport!a}")
        for key in self._block:
            if key not in _KEYS[transport]:
                raise self._error(str(key), f"unknown key for {transport}; known are {', '.join(_KEYS[transport])}")
        common: dict[str, Any] = {
            "id": self._name,
            "transport": transport,
            "forget_after_days": self._number("forget_after_days", Collector.forget_after_days, 0, 3650),
            "timeout_s": int(self._number("timeout_s", Collector.timeout_s, 1, 86_400)),
        }
        if transport == "drop_folder":
            return Collector(**common, folder=Path(self._matching("folder", _PATH, "an absolute path")))
        return Collector(
            **common,
            host=self._host(),
            user=self._matching("user", _USER, "a user name"),
            port=int(self._number("port", Collector.port, 1, 65_535)),
            key=Path(self._matching("key", _PATH, "an absolute path")),
            known_hosts=Path(self._matching("known_hosts", _PATH, "an absolute path")),
            directories=self._directories(),
            quiet_s=int(self._number("quiet_s", Collector.quiet_s, 0, 86_400)),
        )

    def _host(self) -> str:
        host = self._matching("host", _HOST, "a host name or address")
        if len(host) > _HOST_LENGTH_MAX:
            raise self._error("host", "is too long")
        return host

    def _directories(self) -> tuple[str, ...]:
        value = self._block.get("directories")
        if not isinstance(value, list) or not value:
            raise self._error("directories", "must be a list of one or more directories below the host folder")
        for directory in value:
            parts = directory.split("/") if isinstance(directory, str) else [""]
            if not all(_DIRECTORY_PART.match(part) for part in parts) or parts[0] == "outgoing":
                raise self._error("directories", f"not a directory below the host folder: {directory!a}")
        return tuple(value)

    def _matching(self, key: str, pattern: re.Pattern[str], what: str) -> str:
        value = self._text(key)
        if not pattern.match(value) or "/../" in f"{value}/":
            raise self._error(key, f"must be {what}, is {value!a}")
        return value

    def _number(self, key: str, default: float, lowest: float, highest: float) -> float:
        value: object = self._block.get(key, default)
        if isinstance(value, str):
            try:
                value = float(self._expanded(key, value))
            except ValueError:
                raise self._error(key, f"must be a number, is {value!a}") from None
        if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
            raise self._error(key, f"must be a number from {lowest} to {highest}, is {value!a}")
        return value

    def _text(self, key: str, default: str | None = None) -> str:
        value = self._block.get(key, default)
        if not isinstance(value, str):
            raise self._error(key, "is missing" if value is None else f"must be text, is {value!a}")
        return self._expanded(key, value)

    def _expanded(self, key: str, value: str) -> str:
        def replace(match: re.Match[str]) -> str:
            found = self._environment.get(match[1]) or match[2]
            if found is None:
                raise self._error(key, f"the variable {match[1]} is not set")
            return found

        return _VARIABLE.sub(replace, value)

    def _error(self, key: str, message: str) -> SettingsError:
        name = ".".join(filter(None, ("collectors", self._name, key)))
        return SettingsError(f"{self._path}: {name}: {message}", hint="see include/measurements/collect/README.md")
