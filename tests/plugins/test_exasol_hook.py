"""The hook against the test server of Exasol's protocol: every option of the connection reaches the driver."""

import json
import os

import pytest

from include.warehouse.config import ExasolTarget
from include.warehouse.errors import WarehouseRefused
from plugins.connections import warehouse
from plugins.hooks.exasol_hook import ExasolHook
from spool.errors import SettingsError
from tests.support.exasol.server import ExasolServer

pytestmark = [
    pytest.mark.dags,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("driver_leftovers"),
]


@pytest.fixture(scope="module")
def server():
    with ExasolServer() as running:
        yield running


@pytest.fixture
def define(server, monkeypatch):
    def define_connection(**extra):
        known = {"conn_type": "exasol", "host": "127.0.0.1", "port": server.port, "extra": extra}
        account = {"login": server.account.user, "password": server.account.password}
        monkeypatch.setenv("AIRFLOW_CONN_EXASOL_WAREHOUSE", json.dumps(known | account))

    return define_connection


def test_the_hook_connects_by_fingerprint_and_has_the_times_of_the_connection(server, define):
    define(fingerprint=server.certificate.fingerprint, socket_timeout_s=77, compression=True)
    hook = ExasolHook("exasol_warehouse")
    with hook.get_conn() as connection:
        assert connection.options["socket_timeout"] == 77
        assert connection.options["compression"] is True
    assert hook.get_records("SELECT 1") == [(1,)]
    assert "EXASOL_TELEMETRY_DISABLE" in os.environ


def test_the_hook_connects_by_an_authority_of_ones_own(server, define):
    define(ssl_ca=str(server.certificate.path))
    assert ExasolHook("exasol_warehouse").get_first("SELECT 'ü'") == ("ü",)


def test_an_unknown_option_is_an_error_and_not_dropped(define):
    define(websocket_sslopt={"cert_reqs": 0})
    with pytest.raises(SettingsError, match="websocket_sslopt"):
        ExasolHook("exasol_warehouse").get_conn()


def test_the_target_of_a_task_is_opened_by_the_connection(server, define):
    define(fingerprint=server.certificate.fingerprint)
    target = warehouse.exasol(ExasolTarget(kind="exasol"))
    assert target.current("berlin", "participants") is None
    target.close()
    define(fingerprint="0" * 64)
    refused = warehouse.exasol(ExasolTarget(kind="exasol"))
    with pytest.raises(WarehouseRefused, match="fingerprint"):
        refused.current("berlin", "participants")


def test_a_target_whose_connection_is_missing_is_named_at_once(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_EXASOL_WAREHOUSE", raising=False)
    with pytest.raises(SettingsError, match="exasol_warehouse is not defined"):
        warehouse.exasol(ExasolTarget(kind="exasol"))
