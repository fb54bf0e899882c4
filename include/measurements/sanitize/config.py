"""`config/sanitize.yml` and the bridge map, checked before anything is moved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from include.common.yaml_config import load_mapping, whole_number
from include.measurements.sanitize.bridge_map import BridgeMap, BridgeMapInvalid, parse_map
from include.measurements.sanitize.errors import BridgeMapRefused
from include.measurements.sanitize.known_tests import KnownTests
from include.measurements.sanitize.rules import UnmappedPolicy
from spool.errors import SettingsError

DEFAULT_FILE = Path(__file__).parents[3] / "config" / "sanitize.yml"
FORMAT_VERSION = 1
BRIDGE_MAP_BYTES_MAX = 64 * 1024 * 1024
DAY_S = 86_400

_NUMBERS = {
    "bridge_map_days_max": (1, 3650),
    "document_bytes_max": (1024, 64 * 1024 * 1024),
    "depth_max": (8, 200),
    "nodes_max": (1000, 1_000_000),
    "document_s": (1, 3600),
    "memory_bytes": (128 * 1024 * 1024, 8 * 1024**3),
    "gzip_level": (1, 9),
}


@dataclass(frozen=True)
class SanitizeSettings:
    """
    unmapped_bridges      hold: the report goes to quarantine; hash: the line is hashed or nulled, never shown
    bridge_map_days_max   an older map stops every run
    document_bytes_max    a larger document is not taken, the rest of its report is
    depth_max, nodes_max  of one document, aliases written out
    document_s            a document that takes longer is not taken
    memory_bytes          address space of the process that parses
    gzip_level            of the archived originals
    tests                 canonical name to aliases
    """

    unmapped_bridges: UnmappedPolicy
    bridge_map_days_max: int
    document_bytes_max: int
    depth_max: int
    nodes_max: int
    document_s: int
    memory_bytes: int
    gzip_level: int
    tests: Mapping[str, list[str]]

    def for_child(self) -> dict[str, Any]:
        return asdict(self)


def load(path: Path = DEFAULT_FILE) -> SanitizeSettings:
    """Read and check the file; SettingsError names file and key."""
    keys = ("unmapped_bridges", *_NUMBERS, "tests")
    document = load_mapping(path, version=FORMAT_VERSION, keys=keys, hint="see include/measurements/sanitize/README.md")
    for key, (least, most) in _NUMBERS.items():
        whole_number(path, document, key, least, most)
    if document["unmapped_bridges"] not in get_args(UnmappedPolicy):
        raise SettingsError(f"{path}: unmapped_bridges: must be one of {', '.join(get_args(UnmappedPolicy))}")
    _check_tests(path, document["tests"])
    return SanitizeSettings(**document)


def load_bridges(path: Path, days_max: int, now_s: float | None = None) -> BridgeMap:
    """The map; BridgeMapRefused, which says why without repeating its contents, where it cannot be relied on."""
    hint = "nothing was moved; get a fresh map and run again"
    try:
        status = path.stat()
        content = path.read_bytes() if status.st_size <= BRIDGE_MAP_BYTES_MAX else b""
        bridges = parse_map(content)
    except OSError as error:
        raise BridgeMapRefused(f"the bridge map {path} cannot be read: {error.strerror}", hint=hint) from None
    except BridgeMapInvalid as error:
        raise BridgeMapRefused(f"the bridge map {path} cannot be used: {error}", hint=hint) from None
    age_days = ((time.time() if now_s is None else now_s) - status.st_mtime) / DAY_S
    if age_days > days_max:
        raise BridgeMapRefused(f"the bridge map {path} is {age_days:.0f} days old, {days_max} are allowed", hint=hint)
    return bridges


def _check_tests(path: Path, tests: object) -> None:
    if not isinstance(tests, dict) or not tests:
        raise SettingsError(f"{path}: tests: must map names to lists of aliases")
    seen: dict[str, str] = {}
    for name, aliases in tests.items():
        if not isinstance(name, str) or not isinstance(aliases, list) or not all(isinstance(a, str) for a in aliases):
            raise SettingsError(f"{path}: tests: {name!a}: must be a name with a list of names")
        for alias in {KnownTests.plain(text) for text in (name, *aliases)}:
            if seen.setdefault(alias, name) != name:
                raise SettingsError(f"{path}: tests: {alias!a} stands for both {seen[alias]} and {name}")
