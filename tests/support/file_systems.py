"""A second file system, for what must not cross the border of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CANDIDATES = ("/dev/shm", "/var/tmp", "/tmp", "/run")


@contextmanager
def folder_on_another_file_system(here: Path) -> Iterator[Path]:
    """An empty folder on another file system than `here`; AssertionError where the machine has only one."""
    device = here.stat().st_dev
    others = [name for name in CANDIDATES if os.access(name, os.W_OK) and Path(name).stat().st_dev != device]
    assert others, f"none of {CANDIDATES} is a file system of its own"
    with tempfile.TemporaryDirectory(dir=others[0]) as folder:
        yield Path(folder)
