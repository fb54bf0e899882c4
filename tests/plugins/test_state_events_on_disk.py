"""The recorder on a real log: what it reports as appended is there, whichever process forked."""

import os

import pytest

from plugins.connections import engine, host_folders
from plugins.listener.state_events import Recorder, dag_run_event
from spool.format.record_batch import records
from spool.intake.late_events import FOLDER, sweep
from spool.log.folder import log_folders
from spool.log.reader import tail
from tests.support.run_objects import dag_run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SPOOL_FOLDER", str(tmp_path / "spool"))
    return tmp_path / "spool"


def recorded(folder):
    """(id, type, key) of all events of the stream, in the order of their positions."""
    found = []
    for log in log_folders(folder):
        assert log.stream == "airflow"
        for commit in tail(log):
            for record in records(commit.frame):
                headers = dict(record.headers)
                found.append((headers["ce_id"].decode(), headers["ce_type"].decode(), record.key))
    return found


def test_an_event_is_durable_with_its_id_type_and_key(folder):
    event = dag_run_event(dag_run(), "running")
    recorder = Recorder(host_folders.spool_folder(), engine.spool_client)
    recorder.record(event)
    assert (recorder.appended, recorder.put_aside) == (1, 0)
    assert recorded(folder) == [(event.id, "airflow.dag_run.running", b"reports/manual__1")]


def test_forked_task_processes_record_into_the_same_log_beside_their_parent(folder):
    recorder = Recorder(host_folders.spool_folder(), engine.spool_client)
    recorder.record(dag_run_event(dag_run(), "running"))
    children = []
    for number in range(4):
        if (pid := os.fork()) == 0:
            for _ in range(5):
                recorder.record(dag_run_event(dag_run(run_id=f"child{number}"), "success"))
            # No interpreter shutdown: pytest's belongs to the parent.
            os._exit(recorder.put_aside + recorder.lost)
        children.append(pid)
        recorder.record(dag_run_event(dag_run(run_id="parent"), "success"))
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
    recorder.record(dag_run_event(dag_run(run_id="parent"), "failed"))

    found = recorded(folder)
    assert len(found) == 1 + 4 * 5 + 4 + 1
    assert len({event_id for event_id, _, _ in found}) == len(found)
    assert len(log_folders(folder)) == 1


def test_what_was_put_aside_arrives_with_its_own_id(folder, monkeypatch):
    def no_client():
        raise OSError("no descriptors left")

    event = dag_run_event(dag_run(), "failed")
    Recorder(host_folders.spool_folder(), no_client).record(event)
    assert recorded(folder) == []
    with engine.spool_client() as client:
        assert sweep(folder, client) == {"appended": 1, "broken": 0}
    assert recorded(folder) == [(event.id, "airflow.dag_run.failed", b"reports/manual__1")]
    assert list((folder / FOLDER).iterdir()) == []
