"""
An account that reads the database cannot write to it, and without an account neither works.

On the local stand-in for MongoDB, with the two accounts of stack/image/mongo-users.js.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from include.clients import mongo
from include.measurements.errors import MongoRefused
from include.measurements.load.mongo_reader import REACHABILITY, observations
from include.measurements.load.mongo_store import MeasurementStore
from tests.support.measurement_state import MeasurementState
from tests.support.secantus import secantus

pytestmark = pytest.mark.contract

ACCOUNTS = Path(__file__).parents[2] / "stack" / "image" / "mongo-users.js"
ACCOUNT = re.compile(r'createUser\(\{user: "(\w+)", pwd: [\w.]+, roles: \["(\w+)"\]\}\)')
PASSWORD = "a password of this test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address, without an account in it."""
    folder = tmp_path_factory.mktemp("mongo")
    with secantus(folder) as uri:
        database = mongo.database(uri)
        for user, role in ACCOUNT.findall(ACCOUNTS.read_text(encoding="utf-8")):
            database.command("createUser", user, pwd=PASSWORD, roles=[role])
        database.client.close()
    with secantus(folder, accounts=True) as uri:
        yield uri


class Accounts:
    """Opens the database as one of the accounts; ends all connections with the test."""

    def __init__(self, server: str, opened: ExitStack) -> None:
        self._server, self._opened = server, opened

    def __call__(self, user: str = "", password: str = PASSWORD) -> MeasurementStore:
        uri = self._server
        if user:
            uri = uri.replace("mongodb://", f"mongodb://{user}:{quote(password)}@") + "&authSource=measurements"
        self.database = self._opened.enter_context(closing(mongo.database(uri).client)).get_database("measurements")
        return MeasurementStore(self.database)


@pytest.fixture
def account(server: str) -> Iterator[Accounts]:
    with ExitStack() as opened:
        yield Accounts(server, opened)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[MeasurementState]:
    made = MeasurementState(tmp_path / "state")
    yield made
    made.ledger.close()


def test_the_import_writes_and_the_reader_reads_it_and_cannot_write(account: Accounts, state: MeasurementState) -> None:
    state.stage_report("north/b1/a", test_name=REACHABILITY)
    state.postprocess()
    assert state.import_reports(account("mongo_import")).out == 1
    reader = account("mongo_read")
    assert len(reader.report_ids("north/b1/a")) == 1
    assert observations(account.database, REACHABILITY, datetime(2000, 1, 1, tzinfo=UTC)) == []
    state.stage_report("north/b1/b")
    state.postprocess()
    with pytest.raises(MongoRefused, match="code 13"):
        state.import_reports(reader)
    with pytest.raises(MongoRefused, match="code 13"):
        reader.delete(reader.report_ids("north/b1/a")[0])
    assert state.states() == {"north/b1/a": ["imported"], "north/b1/b": ["reports"]}
    assert len(reader.report_ids("north/b1/a")) == 1


@pytest.mark.parametrize(("user", "password"), [("mongo_read", "another"), ("somebody", PASSWORD)])
def test_a_wrong_account_is_refused_and_no_password_is_in_the_error(
    account: Accounts, user: str, password: str
) -> None:
    with pytest.raises(MongoRefused, match="code 18") as refused:
        account(user, password).report_ids("north/b1/a")
    assert password not in f"{refused.value} {refused.value.hint}"


def test_without_an_account_nothing_is_read(account: Accounts) -> None:
    with pytest.raises(MongoRefused, match="code 13"):
        account().report_ids("north/b1/a")
