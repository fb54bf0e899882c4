"""Clients come from Airflow's connections, are made without a request, and what is missing is said with its name."""

import json
import socket

import pytest

from include.database import connection as database_connection
from include.database.errors import DatabaseUnavailable
from plugins.connections import engine, host_folders, kafka, mariadb, store
from spool.errors import SettingsError
from spool.store.s3_store import client_config

pytestmark = pytest.mark.dags

AWS = {
    "conn_type": "aws",
    "login": "the-key",
    "password": "the-secret",
    "extra": {
        "endpoint_url": "http://127.0.0.1:9",
        "region_name": "us-east-1",
        "service_config": {"s3": {"bucket_name": "spool-here"}},
    },
}
KAFKA = {"conn_type": "kafka", "extra": {"bootstrap.servers": "127.0.0.1:9", "client.id": "spillway"}}


@pytest.fixture
def connections(monkeypatch):
    def define(**connections):
        for name, connection in connections.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))

    for name in ("AIRFLOW_CONN_AWS_SPOOL", "AIRFLOW_CONN_KAFKA_SPOOL", "SPOOL_FOLDER", "SPOOL_S3_BUCKET"):
        monkeypatch.delenv(name, raising=False)
    return define


def test_the_store_has_endpoint_keys_and_bucket_of_the_connection_without_asking_it(connections):
    connections(aws_spool=AWS)
    archive = store.object_store()
    client = archive._client
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    assert client.meta.region_name == "us-east-1"
    assert client.meta.config.s3["addressing_style"] == "path"
    assert client._request_signer._credentials.access_key == "the-key"
    assert archive._bucket == "spool-here"


def test_the_client_is_made_as_the_archive_demands(connections):
    connections(aws_spool=AWS)
    config, demanded = store.object_store()._client.meta.config, client_config(path_style=True)
    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout) == (demanded.connect_timeout, demanded.read_timeout)


def test_the_variable_names_the_bucket_too(connections, monkeypatch):
    connections(aws_spool={**AWS, "extra": {"endpoint_url": "http://127.0.0.1:9"}})
    monkeypatch.setenv("SPOOL_S3_BUCKET", "from-variable")
    assert store.object_store()._bucket == "from-variable"


def test_no_bucket_anywhere_says_where_to_put_it(connections):
    connections(aws_spool={**AWS, "extra": {"endpoint_url": "http://127.0.0.1:9"}})
    with pytest.raises(SettingsError, match="names no bucket") as missing:
        store.object_store()
    assert "SPOOL_S3_BUCKET" in missing.value.hint


@pytest.mark.parametrize(("make", "name"), [(store.object_store, "aws_spool"), (kafka.client_settings, "kafka_spool")])
def test_a_connection_that_is_not_defined_is_named_and_not_tried_again(connections, make, name):
    with pytest.raises(SettingsError, match=f"the connection {name} is not defined") as missing:
        make()
    assert f"AIRFLOW_CONN_{name.upper()}" in missing.value.hint


def test_kafka_settings_are_the_connections_extra(connections):
    connections(kafka_spool=KAFKA)
    assert kafka.client_settings() == {"bootstrap.servers": "127.0.0.1:9", "client.id": "spillway"}


def test_a_kafka_connection_without_broker_says_so(connections):
    connections(kafka_spool={"conn_type": "kafka", "extra": {}})
    with pytest.raises(SettingsError, match="names no broker"):
        kafka.client_settings()


def test_no_spool_folder_says_so(connections):
    with pytest.raises(SettingsError, match="SPOOL_FOLDER is not set"):
        host_folders.spool_folder()


def test_streams_are_chosen_by_name_or_all():
    assert engine.stream_names("demo") == ["demo"]
    assert len(engine.stream_names("all")) >= 6
    with pytest.raises(SettingsError, match="unknown stream"):
        engine.stream_names("nothing")


def test_no_error_repeats_the_secret(connections):
    connections(aws_spool={**AWS, "extra": {}})
    with pytest.raises(SettingsError) as missing:
        store.object_store()
    assert "the-secret" not in f"{missing.value} {missing.value.hint}"


@pytest.mark.parametrize("answers", [False, True], ids=["refused", "silent"])
def test_a_database_that_is_away_or_silent_is_noticed_in_bounded_time(connections, monkeypatch, answers):
    monkeypatch.setattr(database_connection, "CONNECT_TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        app = {"conn_type": "mysql", "host": "127.0.0.1", "port": server.getsockname()[1], "schema": "app"}
        connections(mariadb_app={**app, "login": "spillway", "password": "s3cret"})
        if not answers:
            server.close()
        with pytest.raises(DatabaseUnavailable) as raised, database_connection.transaction(mariadb.database()):
            pass
    assert "s3cret" not in str(raised.value)


def test_a_database_without_a_connection_is_named(connections, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_MARIADB_APP", raising=False)
    with pytest.raises(SettingsError, match="mariadb_app is not defined"):
        mariadb.database()
