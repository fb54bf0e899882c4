"""How batches come from one collector. The contract suite is tests/contract/test_collector_transports.py."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from include.measurements.batch_manifest import Manifest
from include.measurements.collect.progress import Transferred

# Far more than a host gathers in the days before it forgets; a longer list is not one of ours.
BATCHES_MAX = 10_000
# Of one batch: 10,000 files of the largest reports known (some MB each). A host cannot fill our disk by one batch.
BATCH_BYTES_MAX = 64 * 1024**3
# Files and folders of one batch, with folders to spare for each of its files.
BATCH_ENTRIES_MAX = 100_000
# Batches that were sent back by `redrive` are called so; nobody else may call one so.
REDRIVEN_PREFIX = "redriven-"

_BATCH = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")


def is_batch_name(name: str) -> bool:
    """Whether a source may call a batch so: it becomes the name of folders here, and a word of commands there."""
    return _BATCH.match(name) is not None and not name.startswith(REDRIVEN_PREFIX)


def new_batch_name(at_ms: int) -> str:
    """Time, for people, and four random bytes, for two runs of one second."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y%m%dt%H%M%S}-{secrets.token_hex(4)}"


class Forgotten(NamedTuple):
    """
    What a host did with a proven batch.

    files    were deleted, their bytes still being those of the manifest
    changed  paths whose bytes were others by then; the host offers them again in a later batch
    left     files still there because somebody has them open: ask again later
    """

    files: int
    changed: tuple[str, ...]
    left: int


class Transport(Protocol):
    """A batch, once offered, keeps its name and, but for late writers, its bytes. Every call may be repeated."""

    def stage(self, batch: str) -> int:
        """Let the host put what is finished into a new batch of this name; the number of files, 0 = no batch."""
        ...

    def batches(self) -> list[str]:
        """
        Finished batches at the source, sorted, among them those we have and it has not forgotten.

        Names are as the source says them: the caller checks each (`is_batch_name`) before it does anything with it.
        """
        ...

    def manifest(self, batch: str) -> Manifest:
        """Hashes of the batch's bytes as they are at the host now."""
        ...

    def fetch(self, batch: str, folder: Path) -> Transferred:
        """
        Bring every file of the batch below `folder`, fsynced. What it adds beside them is gone when it returns.

        BatchRefused where the batch has more bytes or files than the limits above.
        """
        ...

    def forget(self, batch: str, manifest: Manifest) -> Forgotten:
        """Let the host delete what hashes to what `manifest` says, and nothing else."""
        ...
