"""`config/sanitize.yml` and the bridge map, checked before anything is moved."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from include.measurements.sanitize.bridge_map import BridgeMap, BridgeMapInvalid, parse_map
from include.measurements.sanitize.errors import BridgeMapRefused
from include.measurements.sanitize.known_tests import KnownTests
from include.measurements.sanitize.report_secrets import UnmappedPolicy
from spool import config_file
from spool.config_file import Block, Each, Key, WrongKey

DEFAULT_FILE = Path(__file__).parents[3] / "config" / "sanitize.yml"
FORMAT_VERSION = 1
BRIDGE_MAP_BYTES_MAX = 64 * 1024 * 1024
DAY_S = 86_400

_TEST_NAME = re.compile(r"[^\x00-\x1f]{1,200}\Z")


@dataclass(frozen=True)
class SanitizeSettings(Block):
    """The whole of `config/sanitize.yml`; every key is required."""

    unmapped_bridges: Annotated[
        UnmappedPolicy,
        Key(
            "a measurement report with a bridge that the map does not know: `hold` sends it to quarantine, "
            "`hash` hashes the line or sets it to null"
        ),
    ]
    bridge_map_days_max: Annotated[
        int, Key("an older bridge map stops every run that has reports to sanitize", "days", at_least=1, at_most=3650)
    ]
    document_bytes_max: Annotated[
        int,
        Key(
            "a larger document is left out, the rest of its measurement report is kept",
            unit="bytes",
            at_least=1024,
            at_most=64 * 1024 * 1024,
        ),
    ]
    depth_max: Annotated[int, Key("levels of collections in one document", "levels", at_least=8, at_most=200)]
    nodes_max: Annotated[
        int,
        Key(
            "scalars and collections in one document, with aliases written out",
            unit="nodes",
            at_least=1000,
            at_most=1_000_000,
        ),
    ]
    document_s: Annotated[int, Key("a document that takes longer is left out", "s", at_least=1, at_most=3600)]
    documents_max: Annotated[
        int,
        Key(
            "a measurement report of more documents goes to quarantine",
            unit="documents",
            at_least=1,
            at_most=100_000_000,
        ),
    ]
    report_s: Annotated[
        int,
        Key("a measurement report that takes more processor time goes to quarantine", "s", at_least=1, at_most=1500),
    ]
    memory_bytes: Annotated[
        int,
        Key(
            "address space of the process that parses",
            unit="bytes",
            at_least=128 * 1024 * 1024,
            at_most=8 * 1024**3,
        ),
    ]
    gzip_level: Annotated[int, Key("compression of the archived originals", at_least=1, at_most=9)]
    tests: Annotated[
        Mapping[str, list[str]],
        Each(_TEST_NAME, "the name of a test", "canonical name of a test: the names that stand for it"),
    ]

    def refusals(self) -> Iterator[WrongKey]:
        seen: dict[str, str] = {}
        for name, aliases in self.tests.items():
            for alias in sorted({KnownTests.plain(text) for text in (name, *aliases)}):
                if seen.setdefault(alias, name) != name:
                    yield WrongKey("tests", f"{alias!a} stands for both {seen[alias]} and {name}")

    def for_child(self) -> dict[str, Any]:
        return asdict(self)


def load(path: Path = DEFAULT_FILE) -> SanitizeSettings:
    """Read and check the file; SettingsError names the file, the path of keys and the line."""
    return config_file.load(
        path, SanitizeSettings, version=FORMAT_VERSION, hint="see include/measurements/sanitize/README.md"
    )


def load_bridges(path: Path, days_max: int, now_s: float | None = None) -> BridgeMap:
    """The map; BridgeMapRefused, which says why without repeating its contents, where it cannot be relied on."""
    return _checked_map(path, days_max, now_s)[1]


def bridge_map_text(path: Path, days_max: int) -> str:
    """The same as text, for the process in the sandbox: what was checked is what it gets."""
    return _checked_map(path, days_max)[0]


def _checked_map(path: Path, days_max: int, now_s: float | None = None) -> tuple[str, BridgeMap]:
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
    return content.decode(), bridges
