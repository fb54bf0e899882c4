"""Logs of running tasks are served on loopback only, and to nobody without Airflow's signature."""

import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from stack.place import HOST, OFFSETS, REPOSITORY, Place
from stack.services import airflow
from tests.support import local_stack, ports
from tests.support.waiting import until

LISTENING = "0A"


@pytest.fixture
def place(tmp_path):
    base = ports.reserve(local_stack.BASES, [OFFSETS["airflow_logs"]])
    yield Place(tmp_path, base)
    ports.release(base)


@pytest.fixture
def log_server(place):
    """Its port, with one log to serve."""
    (service,) = [service for service in airflow.services(place) if service.name == "airflow-logs"]
    service.prepare()
    place.path("airflow", "logs", "attempt=1.log").write_text("private")
    with place.path("output").open("wb") as output:
        process = subprocess.Popen(
            service.command, env={**os.environ, **service.environment}, cwd=REPOSITORY, stdout=output, stderr=output
        )
    try:
        until(lambda: service.ready() or process.poll() is not None, "the server answers", every_s=0.1)
        assert process.poll() is None, place.path("output").read_text()
        yield service.ports[0]
    finally:
        process.kill()
        process.wait()


def listeners(port):
    """Local addresses that listen on the port, as /proc writes them: 0100007F is 127.0.0.1."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [row[1].split(":")[0] for row in rows if row[3] == LISTENING and int(row[1].split(":")[1], 16) == port]


def test_it_listens_on_loopback_only_and_asks_for_a_token(log_server):
    assert listeners(log_server) == ["0100007F"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{HOST}:{log_server}/log/attempt=1.log", timeout=240)
    with refused.value:
        assert refused.value.code == 403


def test_airflow_itself_serves_no_logs(place):
    commands = {service.name: service.command for service in airflow.services(place)}
    assert "--skip-serve-logs" in commands["airflow-scheduler"]
    assert "--skip-serve-logs" in commands["airflow-triggerer"]


def test_the_api_server_asks_that_server(place):
    from stack.log_server import host_name

    told = airflow.environment(place)
    assert told["AIRFLOW__CORE__HOSTNAME_CALLABLE"] == f"{host_name.__module__}.{host_name.__name__}"
    assert host_name() == HOST
    ports = {told[f"AIRFLOW__LOGGING__{kind}_LOG_SERVER_PORT"] for kind in ("WORKER", "TRIGGER")}
    assert ports == {str(place.port("airflow_logs"))}
