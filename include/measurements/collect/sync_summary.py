"""What one sync did, for task answers and the command line."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class SyncSummary:
    """
    What one sync did: batches given to the next stage, the files in them, files the host has forgotten.

    left  batches that wait for the next sync, because of the deadline
    """

    collector: str
    batches: list[str] = field(default_factory=list)
    files: int = 0
    size_bytes: int = 0
    forgotten: int = 0
    changed: int = 0
    left: int = 0
