"""How batches come from one collector. The contract suite is tests/contract/test_collector_transports.py."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from include.measurements.batch_manifest import Manifest
from include.measurements.collect.progress import Transferred


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
        """Finished batches at the host, sorted, among them those we have and the host has not forgotten."""
        ...

    def manifest(self, batch: str) -> Manifest:
        """Hashes of the batch's bytes as they are at the host now."""
        ...

    def fetch(self, batch: str, folder: Path) -> Transferred:
        """Bring every file of the batch below `folder`, fsynced. What it adds beside them is gone when it returns."""
        ...

    def forget(self, batch: str, manifest: Manifest) -> Forgotten:
        """Let the host delete what hashes to what `manifest` says, and nothing else."""
        ...
