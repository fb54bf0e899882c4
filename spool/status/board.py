"""
The sections as files: `<spool folder>/_status/<name>.json`, each replaced atomically.

A section is published by one task and read by every process of the host. A reader sees the old one or the new one. A
section that could not be taken keeps its last rows and says why: an outage must not hide what was known before it.
"""

from __future__ import annotations

import logging
from pathlib import Path

from spool.disk import Disk
from spool.durable_file import remove_leftovers, write_durably
from spool.errors import CorruptRecord, SpoolError
from spool.status.section import NAME, Section, decode, encode

LOGGER = logging.getLogger(__name__)

FOLDER = "_status"
# Rows and texts are bounded (section.py); a larger file is not one of ours, and is not read.
FILE_BYTES_MAX = 16 * 1024 * 1024
# The task runs every five minutes; after three missed runs an operator should look.
STALE_S = 900.0


class Board:
    """The status of one host. `folder` is the spool folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def publish(self, taken: Section) -> None:
        """In place of the section of this name. Durable when it returns; OSError."""
        write_durably(self._path(taken.name), encode(taken))
        remove_leftovers(Disk(), self._folder)

    def publish_trouble(self, name: str, error: SpoolError) -> None:
        """The section could not be taken: its last rows stay, with their time, and the reason is shown beside them."""
        before = self.read(name) or Section(name, 0, ())
        self.publish(before._replace(troubles=(f"{type(error).__name__}: {error}"[:500],)))

    def read(self, name: str) -> Section | None:
        """None where it was never published, or cannot be read: that is logged, and the other sections are shown."""
        path = self._path(name)
        try:
            return _read(path)
        except FileNotFoundError:
            return None
        except (CorruptRecord, OSError) as error:
            LOGGER.warning("%s is passed over: %s", path, error)
            return None

    def sections(self) -> list[Section]:
        """All that can be read, by name."""
        names = sorted(path.stem for path in self._folder.glob("*.json")) if self._folder.is_dir() else []
        read = (self.read(name) for name in names if NAME.match(name))
        return [section for section in read if section is not None]

    def _path(self, name: str) -> Path:
        assert NAME.match(name), "sections are named in the code"
        return self._folder / f"{name}.json"


def _read(path: Path) -> Section:
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise CorruptRecord(f"{path} is too large for a status", hint="delete the file")
    read = decode(data, str(path))
    if read.name != path.stem:
        raise CorruptRecord(f"{path} says that it is the section {read.name}", hint="delete the file")
    return read
