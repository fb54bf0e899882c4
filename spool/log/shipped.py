"""How far the object store has a log: written by the shipper, read by producers that wait for `s3`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from spool.disk import Disk
from spool.durable_file import write_file

NAME = "shipped"


class ShippedState(NamedTuple):
    """The newest segment that was confirmed, -1 for none, and the offset after it."""

    segment: int
    next_offset: int


NOTHING = ShippedState(-1, 0)


def read_shipped(log_path: Path) -> ShippedState:
    """`NOTHING` where nothing was shipped or the file is damaged: then the shipper finds out again."""
    try:
        document = json.loads((log_path / NAME).read_text(encoding="utf-8"))
        return ShippedState(int(document["segment"]), int(document["next_offset"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return NOTHING


def write_shipped(log_path: Path, state: ShippedState, disk: Disk | None = None) -> None:
    """Atomic and durable."""
    write_file(disk or Disk(), log_path / NAME, json.dumps(state._asdict()).encode())
