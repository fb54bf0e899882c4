"""
Announce and pull: a collector announces a finished batch on the stream `collector_batches`, and we fetch it.

The announcement only says what to fetch and what it must hash to; the bytes come by the transport that is given, and
a batch is pulled only while the host still lists it. So an announcement that comes twice, or late, does no harm.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from include.common.event_type import encode_payload
from include.measurements import batch_manifest
from include.measurements.batch_manifest import Manifest
from include.measurements.collect.config import COLLECTOR_ID
from include.measurements.collect.errors import BatchDiffers
from include.measurements.collect.progress import Transferred
from include.measurements.collect.transport import Forgotten, Transport, is_batch_name
from include.measurements.events import BatchFinished
from spool.errors import TerminalError

LOGGER = logging.getLogger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class AnnouncementRefused(TerminalError):
    """An event of the stream is not an announcement."""


class Announcement(NamedTuple):
    """`manifest_sha256` is of the manifest's text, as batch_manifest.encode writes it."""

    collector: str
    batch: str
    manifest_sha256: str


class Announcements(Protocol):
    """Where announcements are read from, each at least once."""

    def pending(self, collector: str) -> list[Announcement]:
        """What was announced and is not done, oldest first."""
        ...

    def done(self, collector: str) -> None:
        """All that `pending` gave is fetched: it need not be given again."""
        ...


def encode(announcement: Announcement) -> bytes:
    """The value of the event."""
    return encode_payload(BatchFinished(**announcement._asdict()))


def decode(value: bytes) -> Announcement:
    """The announcement in an event's value; AnnouncementRefused otherwise."""
    try:
        row = json.loads(value)
        announcement = Announcement(row["collector"], row["batch"], row["manifest_sha256"])
        fits = (
            COLLECTOR_ID.match(announcement.collector)
            and is_batch_name(announcement.batch)
            and _SHA256.match(announcement.manifest_sha256)
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise AnnouncementRefused(f"not an announcement: {type(error).__name__}") from error
    if not fits:
        raise AnnouncementRefused("not an announcement: a field is not what it must be")
    return announcement


def announcement_of(collector: str, batch: str, manifest: Manifest) -> Announcement:
    """What the host says about a finished batch."""
    return Announcement(collector, batch, _sha256(manifest))


def _sha256(manifest: Manifest) -> str:
    return hashlib.sha256(batch_manifest.encode(manifest).encode()).hexdigest()


class AnnouncedTransport:
    """Batches of `pull` that were announced; the host stages them itself."""

    def __init__(self, collector: str, pull: Transport, announcements: Announcements) -> None:
        self._collector, self._pull, self._announcements = collector, pull, announcements
        self._announced: Mapping[str, str] = {}

    def stage(self, batch: str) -> int:
        return 0

    def batches(self) -> list[str]:
        pending = self._announcements.pending(self._collector)
        self._announced = {a.batch: a.manifest_sha256 for a in pending}
        return [batch for batch in self._pull.batches() if batch in self._announced]

    def manifest(self, batch: str) -> Manifest:
        manifest = self._pull.manifest(batch)
        announced = self._announced.get(batch)
        if announced is not None and _sha256(manifest) != announced:
            raise BatchDiffers(
                f"{self._collector}/{batch}: the host's files are not those it announced",
                hint="a file was changed after it was staged; let the host announce the batch again",
            )
        return manifest

    def fetch(self, batch: str, folder: Path) -> Transferred:
        return self._pull.fetch(batch, folder)

    def forget(self, batch: str, manifest: Manifest) -> Forgotten:
        return self._pull.forget(batch, manifest)


class AnnouncementFile:
    """Announcements as lines of a file, for runs by hand and tests; the file is the caller's to remove."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pending(self, collector: str) -> list[Announcement]:
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        announcements = (self._decoded(number, line) for number, line in enumerate(lines, 1) if line)
        return [a for a in announcements if a is not None and a.collector == collector]

    def _decoded(self, number: int, line: bytes) -> Announcement | None:
        try:
            return decode(line)
        except AnnouncementRefused as refused:
            LOGGER.warning("%s, line %s: %s", self._path, number, refused)
            return None

    def done(self, collector: str) -> None:
        """Kept: a batch that the host has forgotten is not listed any more."""
