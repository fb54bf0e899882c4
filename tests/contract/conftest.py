"""The object stores that the contract suite runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spool.store.object_store import ObjectStore
from tests.fakes.folder_store import FolderStore
from tests.fakes.memory_store import MemoryStore
from tests.support.seaweed import Seaweed


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with Seaweed(Path(tmp_path_factory.mktemp("s3"))) as server:
        yield server


@pytest.fixture(params=["memory", "folder", pytest.param("s3", marks=pytest.mark.stack)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A store of its own, empty."""
    if request.param == "memory":
        return MemoryStore()
    if request.param == "folder":
        return FolderStore(tmp_path)
    server: Seaweed = request.getfixturevalue("seaweed")
    return server.store()
