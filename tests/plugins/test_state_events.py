"""A state change becomes an event, never fails its task, and is never dropped silently."""

import json
import logging

import pytest

from plugins.listener import state_events
from plugins.listener.state_events import Recorder, dag_run_event, task_instance_event
from spool.errors import LockTimeout, SettingsError, SpoolFull
from spool.intake.late_events import FOLDER, sweep
from tests.fakes.fake_spool_client import FakeSpoolClient
from tests.support.run_objects import dag_run, task_instance


def test_a_dag_run_event_tells_ids_state_and_times():
    event = dag_run_event(dag_run(), "running")
    assert event.type == "airflow.dag_run.running"
    assert event.key == b"reports/manual__1"
    assert json.loads(event.value) == {
        "dag_id": "reports", "run_id": "manual__1", "run_type": "manual", "state": "running", "logical_date": None,
        "start_date": "2026-03-01T12:00:00.000+00:00", "end_date": None, "version": 1,
    }  # fmt: skip


def test_a_task_event_tells_try_and_map_index():
    event = task_instance_event(task_instance(), "success", "running")
    payload = json.loads(event.value)
    assert event.type == "airflow.task_instance.success"
    assert event.key == b"reports/manual__1"
    assert (payload["task_id"], payload["map_index"], payload["try_number"]) == ("render", 3, 2)
    assert payload["previous_state"] == "running"


def test_of_an_error_only_its_type_is_told_and_conf_never():
    event = task_instance_event(task_instance(), "failed", "running", ValueError("password=hunter2"))
    assert json.loads(event.value)["error_type"] == "ValueError"
    assert b"hunter2" not in event.value
    assert b"hunter2" not in dag_run_event(dag_run(), "failed").value


def test_two_events_have_two_ids():
    assert dag_run_event(dag_run(), "running").id != dag_run_event(dag_run(), "running").id


def test_a_state_change_is_appended_on_disk_within_seconds(tmp_path):
    client = FakeSpoolClient()
    recorder = Recorder(tmp_path, lambda: client)
    recorder.record(dag_run_event(dag_run(), "running"))
    assert recorder.appended == 1
    assert [event.type for event in client.appended["airflow"]] == ["airflow.dag_run.running"]


@pytest.mark.parametrize(
    "error", [LockTimeout("held by 7"), SpoolFull("disk"), OSError("EIO"), RuntimeError("bug")], ids=repr
)
def test_what_cannot_be_appended_is_put_aside_and_swept_in_later(tmp_path, error, caplog):
    client = FakeSpoolClient([error])
    recorder = Recorder(tmp_path, lambda: client)
    event = dag_run_event(dag_run(), "running")
    with caplog.at_level(logging.WARNING):
        recorder.record(event)
    assert "put aside" in caplog.text
    assert (recorder.appended, recorder.put_aside, recorder.lost) == (0, 1, 0)

    assert sweep(tmp_path, client) == {"appended": 1, "broken": 0}
    assert client.appended["airflow"] == [event]
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_settings_that_cannot_be_read_put_the_event_aside_until_they_can(tmp_path, monkeypatch):
    clients = [None, FakeSpoolClient()]

    def open_client():
        if (client := clients.pop(0)) is None:
            raise SettingsError("config/spool.yml: streams: is missing")
        return client

    monkeypatch.setattr(state_events, "REST_AFTER_FAILURE_S", 0.0)
    recorder = Recorder(tmp_path, open_client)
    for _ in range(2):
        recorder.record(dag_run_event(dag_run(), "running"))
    assert (recorder.appended, recorder.put_aside, recorder.lost) == (1, 1, 0)


def test_after_a_failure_the_next_ones_do_not_wait_for_the_log(tmp_path):
    client = FakeSpoolClient([LockTimeout("held")])
    recorder = Recorder(tmp_path, lambda: client)
    for _ in range(3):
        recorder.record(dag_run_event(dag_run(), "running"))
    assert client.calls == 1
    assert recorder.put_aside == 3


def test_a_loss_is_said_with_its_number(tmp_path, caplog):
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    recorder = Recorder(tmp_path, lambda: FakeSpoolClient([OSError("EIO")]))
    recorder.record(dag_run_event(dag_run(), "running"))
    assert recorder.lost == 1
    assert "is LOST; lost so far here: 1" in caplog.text


def test_recording_never_raises(monkeypatch, caplog):
    def broken():
        raise RuntimeError("no client")

    monkeypatch.setattr(state_events, "_recorder", broken)
    state_events.record(dag_run_event, dag_run(), "running")
    assert "is not recorded" in caplog.text


def test_an_object_without_the_expected_attributes_does_not_fail_its_caller(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(state_events, "_recorder", lambda: Recorder(tmp_path, FakeSpoolClient))
    state_events.record(task_instance_event, object(), "running", None)
    assert "is not recorded" in caplog.text


def test_without_a_spool_folder_it_says_once_that_nothing_is_recorded(monkeypatch, caplog):
    monkeypatch.delenv("SPOOL_FOLDER", raising=False)
    state_events._recorder.cache_clear()
    for _ in range(3):
        state_events.record(dag_run_event, dag_run(), "running")
    assert caplog.text.count("SPOOL_FOLDER is not set") == 1
    state_events._recorder.cache_clear()


def test_a_try_that_will_be_repeated_is_told_from_a_failure(monkeypatch):
    from airflow.sdk.api.datamodels._generated import TaskInstanceState

    from plugins.listener.state_events_plugin import StateEventListener

    seen = []
    monkeypatch.setattr("plugins.listener.state_events_plugin.record", lambda make, *rest: seen.append(rest[1]))
    for state in (TaskInstanceState.UP_FOR_RETRY, TaskInstanceState.FAILED):
        instance = task_instance()
        instance.state = state
        StateEventListener().on_task_instance_failed(None, instance, None)
    assert seen == ["up_for_retry", "failed"]
