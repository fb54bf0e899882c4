"""
Sends held reports back to the state they came from, after what held them was corrected.

    from raw                 into a new batch `<collector>/redriven-<time>-...` of raw, whose manifest is written last
    from staging, reports    back into that folder, under their own name

A report keeps its path within the batch. A process that dies in between leaves reports in raw without a manifest: the
same command again finishes them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from include.common.atomic_files import fsync_folder, remove_empty_folders, rename_durably
from include.common.emit import Emit
from include.measurements import batch_manifest
from include.measurements.batch_manifest import MANIFEST_SUFFIX
from include.measurements.errors import MeasurementReportsStuck
from include.measurements.events import MeasurementReportRedriven
from include.measurements.sanitize.batch_work import Batch
from include.measurements.sanitize.errors import NoSuchMeasurementReport
from include.measurements.sanitize.secret_forms import REDACTED
from include.measurements.state_folders import HELD_KINDS, PUBLISHABLE, StateFolders
from spool import failpoints
from spool.durable_file import GROUP_READS, write_durably

_PREFIX = "redriven-"

failpoints.declare("sanitize.redrive.moved", "sanitize.redrive.emitted")


@dataclass(frozen=True)
class Held:
    """
    `report` is its name, `reason` the folder it is in, `source` the state it came from.

    `shown` is the name without what is secret in it, for events and output.
    """

    place: Path
    kind: str
    reason: str
    report: str
    source: str
    shown: str


def find(folders: StateFolders, what: str) -> list[Held]:
    """Held reports whose reason, name, or path below the state folder is `what`; NoSuchMeasurementReport if none is."""
    held = [_held(folders, place) for place in folders.held()]
    chosen = [
        report
        for report in held
        if what in (report.reason, report.report, report.shown, f"{report.kind}/{report.reason}/{report.report}")
    ]
    if not chosen and not list((folders.root / "raw").glob(f"*/{_PREFIX}*")):
        known = sorted({report.reason for report in held})
        raise NoSuchMeasurementReport(
            f"nothing is held as {what!a}", hint=f"reasons with reports: {', '.join(known) or 'none'}"
        )
    return chosen


def redrive(folders: StateFolders, held: list[Held], emit: Emit) -> int:
    """
    Send them back; durable when it returns their number.

    One whose place is taken stays held, and the others go back: MeasurementReportsStuck says how many, at the end.
    """
    stamp = time.strftime("%Y%m%dt%H%M%S", time.gmtime())
    stuck: list[Held] = []
    with folders.alone("sanitize"):
        for held_report in held:
            target = _target(folders, held_report, stamp)
            if os.path.lexists(target):
                stuck.append(held_report)
                continue
            rename_durably(held_report.place, target)
            failpoints.reach("sanitize.redrive.moved")
            folders.reasons.remove(held_report.place)
            remove_empty_folders(held_report.place.parent, keep=folders.root / held_report.kind)
            emit(MeasurementReportRedriven(held_report.shown, reason=held_report.reason, to=held_report.source))
            failpoints.reach("sanitize.redrive.emitted")
        _write_manifests(folders.root / "raw")
    if stuck:
        raise MeasurementReportsStuck(
            f"{len(stuck)} stay held, for the folders they came from have others of their paths: one of them is in"
            f" {stuck[0].kind}/{stuck[0].reason}, to go to {stuck[0].source}",
            hint="compare the two, move one of them away, and redrive again; the others went back",
        )
    return len(held)


def _target(folders: StateFolders, held_report: Held, stamp: str) -> Path:
    if held_report.source in PUBLISHABLE:
        return folders.path(held_report.source, held_report.report)
    collector, _, rest = held_report.report.partition("/")
    old_batch, _, path = rest.partition("/")
    # Its old batch is in the name: two batches may hold the same path.
    name = f"{_PREFIX}{stamp}-{old_batch.removeprefix(_PREFIX)[:80]}"
    batches = (Batch(collector, numbered) for numbered in _numbered(name))
    batch = next(batch for batch in batches if _takes(folders, batch, path))
    return folders.root / "raw" / batch.collector / batch.name / path


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in count(1):
        yield f"{name}-{number}"


def _takes(folders: StateFolders, batch: Batch, path: str) -> bool:
    """Whether the batch is still open: no manifest says what is in it, no run has begun it, and the path is free."""
    raw = folders.root / "raw" / batch.collector / batch.name
    begun = folders.root / "sanitizing" / batch.collector / batch.name
    manifest = raw.with_name(raw.name + MANIFEST_SUFFIX)
    return not (manifest.exists() or begun.exists() or os.path.lexists(raw / path))


def _write_manifests(raw: Path) -> None:
    for batch in sorted(raw.glob(f"*/{_PREFIX}*")):
        manifest = batch.with_name(batch.name + MANIFEST_SUFFIX)
        if batch.is_dir() and not manifest.exists():
            write_durably(manifest, batch_manifest.encode(batch_manifest.hashed(batch)), mode=GROUP_READS)
            fsync_folder(batch.parent)


def _held(folders: StateFolders, place: Path) -> Held:
    kind = next(kind for kind in HELD_KINDS if place.is_relative_to(folders.root / kind))
    reason, *parts = place.relative_to(folders.root / kind).parts
    report, why = "/".join(parts), folders.reasons.read(place)
    # Reasons of before rules 2 do not say how the name is shown.
    shown = f"{parts[0]}/{REDACTED}" if reason == "secret_in_name" else report
    return Held(place, kind, reason, report, str(why.get("from", "raw")), str(why.get("shown", shown)))
