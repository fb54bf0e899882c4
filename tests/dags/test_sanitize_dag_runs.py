"""sanitize_run in Airflow itself: conf, what leaves the task, what a failure says, and no secret in log or XCom."""

import json

import pytest
from airflow.dag_processing.dagbag import DagBag

from plugins.connections import engine
from plugins.tasks import counts
from tests.fakes.fake_spool_client import FakeSpoolClient
from tests.support.airflow_home import REPOSITORY
from tests.support.raw_batches import SECRETS, RawBatches, report

pytestmark = pytest.mark.dags


@pytest.fixture(scope="session")
def database():
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def client(monkeypatch):
    fake = FakeSpoolClient()
    monkeypatch.setattr(engine, "spool_client", lambda: fake)
    monkeypatch.setattr(counts, "send", lambda: {"rows": 1})
    return fake


@pytest.fixture
def raw(tmp_path, monkeypatch):
    batches = RawBatches(tmp_path / "state")
    monkeypatch.setenv("SPILLWAY_STATE", str(batches.state))
    monkeypatch.setenv("SPILLWAY_BRIDGES", str(batches.bridges))
    return batches


@pytest.fixture
def run(database, client):
    def run_dag(**conf):
        dag = DagBag(str(REPOSITORY / "dags" / "sanitize_run_dag.py")).dags["sanitize_run"]
        for task in dag.tasks:
            task.retries = 0
        return dag.test(run_conf=conf)

    return run_dag


def answer(dag_run):
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=dag_run.dag_id, run_id=dag_run.run_id).all()
        return {row.task_id: XComModel.deserialize_value(row) for row in rows if row.key == "return_value"}


def test_reports_go_where_they_belong_and_only_counts_leave_the_task(run, raw, client, caplog):
    mapped = "{input: '1.2.3.4:8980'}"
    raw.drop("north/b1", {"x-1.2.3.4": report(mapped), "y": report(mapped), "z": report(mapped, test="no_such_test")})
    done = run()
    assert done.state == "success"
    assert answer(done)["sanitize_reports"] == {
        "sanitized": 1,
        "quarantined": 2,
        "errored": 0,
        "bad_documents": 0,
        "refused": 0,
        "stuck": 0,
        "left": False,
    }
    assert raw.places()["north/b1/y"] == ["staging"]
    assert [event.type for event in client.appended["measurements"]] == [
        "measurement_report.quarantined",
        "measurement_report.sanitized",
        "measurement_report.quarantined",
    ]
    said = caplog.text + json.dumps(answer(done)) + str(client.appended)
    assert [secret for secret in SECRETS if secret in said] == []


def test_conf_limits_a_run_and_the_next_one_goes_on(run, raw):
    raw.drop("north/b1", {f"x{n}": report("{a: 1}") for n in range(3)})
    assert answer(run(max_reports=2))["sanitize_reports"]["left"] is True
    assert answer(run())["sanitize_reports"]["sanitized"] == 1


def test_without_a_bridge_map_and_with_nothing_to_sanitize_the_run_succeeds(run, raw, caplog):
    raw.bridges.unlink()
    with caplog.at_level("INFO"):
        done = run()
    assert done.state == "success"
    assert answer(done)["sanitize_reports"]["sanitized"] == 0
    assert "the bridge map was not looked at" in caplog.text


def test_without_a_bridge_map_the_run_fails_and_says_what_to_do(run, raw, caplog):
    raw.drop("north/b1", {"x": report("{a: 1}")})
    raw.bridges.unlink()
    assert run().state == "failed"
    assert "nothing was moved; get a fresh map" in caplog.text
    assert raw.places() == {"north/b1/x": ["raw"]}
