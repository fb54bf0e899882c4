"""The object stores and the databases that the contract suites run on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spool.store.object_store import ObjectStore
from tests.fakes.folder_store import FolderStore
from tests.fakes.memory_store import MemoryStore
from tests.support.exasol.server import ExasolServer
from tests.support.exasol_database import ExasolDatabase, of_environment, of_server
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


@pytest.fixture(scope="session")
def protocol_server() -> Iterator[ExasolServer]:
    """The test server of Exasol's protocol."""
    with ExasolServer() as server:
        yield server


@pytest.fixture(scope="session")
def exasol_server(protocol_server: ExasolServer) -> ExasolDatabase:
    return of_server(protocol_server)


@pytest.fixture(scope="session")
def real_exasol() -> Iterator[ExasolDatabase]:
    """The database of EXAHOST, EXAUID, EXAPWD, which holds no warehouse; what the tests make is dropped again."""
    database = of_environment(os.environ)
    database.demand_no_warehouse()
    yield database
    database.drop_views()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that need a real Exasol are there only where one is named."""
    if os.environ.get("EXAHOST"):
        return
    real = [item for item in items if item.get_closest_marker("real_exasol")]
    if real:
        config.hook.pytest_deselected(items=real)
        items[:] = [item for item in items if item not in real]
