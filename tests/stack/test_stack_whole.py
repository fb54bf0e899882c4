"""The whole stack and the main job on it: Airflow's components, real neighbours, a broker that is killed."""

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest

from stack import processes
from stack.airflow_api import local_api
from stack.credentials import USERS, credentials
from stack.place import HOST, REPOSITORY
from tests.support.local_stack import LocalStack

pytestmark = pytest.mark.timeout(1800)

LISTENING = "0A"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.fixture(scope="module")
def stack():
    stack = LocalStack()
    yield stack
    stack.remove()


@pytest.fixture(scope="module")
def demo(stack):
    """What `make demo` prints, in small."""
    run = stack.run("--events", "8000", "--outage-s", "3", module="stack.demo", timeout_s=1500)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def numbers(text):
    found = re.findall(r"^    ([a-zA-Z ]+?)  +([\d,]+)(?:  .*)?$", text, re.MULTILINE)
    return {name: int(value.replace(",", "")) for name, value in found}


def token(stack, user, password):
    request = urllib.request.Request(
        f"http://{HOST}:{stack.place.port('airflow')}/auth/token",
        data=json.dumps({"username": user, "password": password}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=240) as answer:
        return json.load(answer)["access_token"]


def call(stack, bearer, path, body=None):
    """(status, answer)"""
    request = urllib.request.Request(
        f"http://{HOST}:{stack.place.port('airflow')}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=240) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def listening_addresses(pids):
    """Addresses, as /proc writes them, on which one of these processes listens."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = str(link.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {fields[1].partition(":")[0] for fields in lines if fields[3] == LISTENING and fields[9] in inodes}


def test_the_demo_ends_with_every_event_once_and_in_order(demo):
    counted = numbers(demo)
    assert counted["appended"] == counted["in Kafka"] == 8000
    assert [counted[name] for name in ("missing", "doubled", "out of order", "groups split")] == [0, 0, 0, 0]
    assert counted["log lines"] > 0
    assert "It holds." in demo


def test_airflow_takes_all_dags_and_plugins_without_an_error(stack, demo):
    bearer = token(stack, "admin", credentials(stack.place)["airflow_user_admin"])
    dag_files = list((REPOSITORY / "dags").glob("*_dag.py"))
    status, answer = call(stack, bearer, "/api/v2/dags?limit=100")
    assert (status, answer["total_entries"]) == (200, len(dag_files))
    for path in ("/api/v2/importErrors", "/api/v2/plugins/importErrors"):
        assert call(stack, bearer, path)[1]["total_entries"] == 0
    health = call(stack, bearer, "/api/v2/monitor/health")[1]
    assert {part["status"] for part in health.values()} == {"healthy"}
    assert len(health) == 4


@pytest.mark.parametrize("user", USERS)
def test_every_user_logs_in_and_only_operators_trigger(stack, demo, user):
    bearer = token(stack, user, credentials(stack.place)[f"airflow_user_{user}"])
    assert call(stack, bearer, "/api/v2/dags")[0] == 200
    body = {"logical_date": None, "conf": {"events": 1, "keys": 1}}
    status, _answer = call(stack, bearer, "/api/v2/dags/spool_demo_events/dagRuns", body)
    assert status == (200 if USERS[user] in ("admin", "op") else 403)


def test_a_wrong_password_and_a_wrong_conf_are_refused(stack, demo):
    with pytest.raises(urllib.error.HTTPError) as caught:
        token(stack, "admin", "admin")
    with caught.value as error:
        assert error.code == 401
    bearer = token(stack, "operator", credentials(stack.place)["airflow_user_operator"])
    body = {"logical_date": None, "conf": {"events": "many"}}
    status, text = call(stack, bearer, "/api/v2/dags/spool_demo_events/dagRuns", body)
    assert status == 400
    assert "many" in text


def test_logs_of_tasks_lie_in_s3(stack, demo):
    held = credentials(stack.place)
    client = boto3.client(
        "s3", endpoint_url=f"http://{HOST}:{stack.place.port('s3')}", region_name="us-east-1",
        aws_access_key_id=held["s3_access_key"], aws_secret_access_key=held["s3_secret_key"],
    )  # fmt: skip
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="airflow-logs").get("Contents", [])]
    client.close()
    assert any("dag_id=spool_demo_events" in key for key in keys)


def test_the_log_of_a_task_can_be_looked_at_while_s3_is_away(stack, demo):
    api = local_api(stack.place)
    run = api.trigger("spool_demo_events", {"events": 1, "keys": 1})
    assert api.wait("spool_demo_events", run) == "success"
    stack.ok("kill", "s3")
    lines = api.log("spool_demo_events", run, "append_events")
    assert any("The object store does not answer" in line for line in lines), lines
    stack.ok("start", "s3")
    lines = api.log("spool_demo_events", run, "append_events")
    assert any("appended 1 of 1 events" in line for line in lines), lines


def test_nothing_listens_beyond_loopback(stack, demo):
    found = listening_addresses(processes.leftovers(stack.place))
    assert len(found) >= 2
    assert found <= LOOPBACK


def test_after_a_kill_of_everything_the_next_up_goes_on_where_it_was(stack, demo):
    for pid in processes.leftovers(stack.place):
        os.kill(pid, signal.SIGKILL)
    stack.ok("up")
    assert len(stack.rows()) >= 14
    deadline = time.monotonic() + 240  # what has just started may be too busy to answer at once
    while states := {row[0::2] for row in stack.rows().values()} - {("RUNNING", "answers")}:
        assert time.monotonic() < deadline, states
    api = local_api(stack.place)
    run = api.trigger("spool_demo_events", {"events": 100, "seed": 5, "group_share": 0.0, "keys": 10})
    assert api.wait("spool_demo_events", run) == "success"
    # The positions go on behind those of the demo: the log on disk is the same one.
    ranges = api.answer("spool_demo_events", run, "append_events")["ranges"]
    assert all(positions["first"] >= 8000 for positions in ranges.values())
