"""
What all tests share: real services that start once a session, on loopback and free ports, and end with it.

Unit and crash tests open no network sockets.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from include.database import migrate
from include.database.connection import engine
from spool import clock
from tests.fakes.powered_host import boot
from tests.support import lanes, mariadb, watched_run
from tests.support.private_kafka import KafkaBroker
from tests.support.tier_times import TierTimes

OFFLINE = ("tests/unit/", "tests/crash/", "tests/architecture/")
# Crash tests that name themselves `stack` use real services.


RUN = pytest.StashKey[watched_run.WatchedRun]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a worker of pytest-xdist belongs to the run that started it
        config.stash[RUN] = watched_run.start_run()
        config.pluginmanager.register(TierTimes())


def pytest_unconfigure(config: pytest.Config) -> None:
    if run := config.stash.get(RUN, None):
        run.end()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Thousands of tests stay until the end: the garbage collector does not go through them, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> lanes.Lanes:
    return lanes.Lanes(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    root = Path(__file__).parent.parent
    for item in items:
        place = item.path.relative_to(root).as_posix()
        if place.startswith(OFFLINE) and "stack" not in item.keywords:
            item.add_marker(pytest.mark.disable_socket)
            item.add_marker(pytest.mark.allow_hosts([]))
        for folder, mark in (("tests/crash/", "crash"), ("tests/contract/", "contract"), ("tests/stack/", "stack")):
            if place.startswith(folder):
                item.add_marker(mark)
    if hasattr(config, "workerinput"):
        lanes.longest_first(items)


@pytest.fixture(scope="session")
def operational_database() -> Iterator[Engine]:
    """One MariaDB with the operational schema, for all tests that leave it running; each empties its own tables."""
    if mariadb.PROGRAM is None:
        pytest.skip("mariadb-server is not installed")
    with mariadb.mariadb() as connect:
        database = engine(connect)
        migrate.upgrade(database)
        yield database


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One broker for all tests that leave it running; those that kill it restart it."""
    with KafkaBroker(Path(tmp_path_factory.mktemp("broker"))) as broker:
        yield broker


@pytest.fixture
def boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test's machine has just started; `powered_host.boot()` starts it again."""
    monkeypatch.setattr(clock, "BOOT_ID_FILE", tmp_path / "boot_id")
    boot()


@pytest.fixture(scope="session")
def mariadb_source() -> Iterator[mariadb.Server]:
    """A MariaDB with a row binlog and GTIDs, one for all tests of the warehouse; each makes databases of its own."""
    if mariadb.PROGRAM is None:
        pytest.skip("mariadb-server is not installed")
    with mariadb.mariadb_server(*mariadb.ROW_BINLOG) as server:
        yield server


@pytest.fixture(scope="module")
def driver_leftovers() -> Iterator[None]:
    """Exasol's driver leaves pipes, and sockets of failed logins, to the garbage collector: here, not elsewhere."""
    yield
    gc.collect()
