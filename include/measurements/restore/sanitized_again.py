"""Originals through the sanitizer in state folders of their own: what it makes of each today."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from include.measurements import batch_manifest
from include.measurements.batch_manifest import MANIFEST_SUFFIX
from include.measurements.errors import RestoreRefused
from include.measurements.state_folders import HeldKind, StateFolders
from spool.durable_file import GROUP_READS, write_durably

UNPACKED_BYTES_MAX = 4 * 1024**3
_BLOCK_BYTES = 1024 * 1024
_OUTCOMES: Mapping[HeldKind, str] = {"quarantine": "quarantined", "errored": "errored"}

Sanitize = Callable[[Path, Path], str]
"""(folder `raw`, folder for the state folders): sanitizes all batches of the one into the other; what it said."""


@dataclass(frozen=True)
class Held:
    """Where the sanitizer holds it, and why: the content of its reason file."""

    kind: HeldKind
    reason: Mapping[str, object]


@dataclass(frozen=True)
class SanitizedAgain:
    """`file` is the sanitized report, or the original where it is held."""

    report: str
    file: Path
    held: Held | None

    @property
    def outcome(self) -> str:
        return _OUTCOMES[self.held.kind] if self.held else "sanitized"


def sanitized_again(originals: Mapping[str, Path], work: Path, sanitize: Sanitize) -> dict[str, SanitizedAgain]:
    """
    Report to packed original, to what the sanitizer makes of it, in `work`, a folder that does not exist yet.

    RestoreRefused where one is damaged, or the sanitizer fails or does not make exactly one report of each.
    """
    raw, state = work / "raw", work / "state"
    for report, packed in originals.items():
        if report.count("/") < 2:
            raise RestoreRefused(f"{report!a} is not <collector>/<batch>/<file>", hint="is it of this archive?")
        _unpack(packed, raw / report)
    for batch in sorted(raw.glob("*/*")):
        manifest = batch_manifest.encode(batch_manifest.hashed(batch))
        write_durably(batch.with_name(batch.name + MANIFEST_SUFFIX), manifest, mode=GROUP_READS)
    state.mkdir(parents=True)
    said = sanitize(raw, state)
    return {report: _result(StateFolders(state), report, said) for report in originals}


def _result(sanitized: StateFolders, report: str, said: str) -> SanitizedAgain:
    results = []
    if (staged := sanitized.path("staging", report)).is_file():
        results.append(SanitizedAgain(report, staged, None))
    for place in sanitized.held_as(report):
        kind: HeldKind = "quarantine" if place.is_relative_to(sanitized.root / "quarantine") else "errored"
        results.append(SanitizedAgain(report, place, Held(kind, sanitized.reasons.read(place))))
    if len(results) != 1:
        raise RestoreRefused(
            f"the sanitizer made {len(results)} reports of {report!a}: {said}",
            hint="nothing was changed; `python -m include.measurements.sanitize explain` says why",
        )
    return results[0]


def _unpack(packed: Path, original: Path) -> None:
    original.parent.mkdir(parents=True, exist_ok=True)
    try:
        with gzip.open(packed, "rb") as source, original.open("wb") as file:
            while chunk := source.read(_BLOCK_BYTES):
                file.write(chunk)
                if file.tell() > UNPACKED_BYTES_MAX:
                    raise RestoreRefused(f"{packed.name!a} unpacks to more than {UNPACKED_BYTES_MAX} bytes")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RestoreRefused(f"{packed.name!a} is damaged: {error}", hint="take it from a backup") from error
