"""The last event of a run says how its tasks ended, also those that could not say it themselves."""

import json

from plugins.listener.run_tasks import NAMED_MAX, TaskState, summary
from plugins.listener.state_events import dag_run_event
from tests.support.run_objects import dag_run

KILLED = TaskState("render", 3, 2, "failed")
TIMED_OUT = TaskState("send", -1, 1, "skipped")
DONE = TaskState("collect", -1, 1, "success")
NEVER_SCHEDULED = TaskState("tidy", -1, 0, None)


def test_tasks_are_counted_and_those_without_success_are_named():
    assert summary([TIMED_OUT, DONE, KILLED, NEVER_SCHEDULED]) == {
        "tasks": 4,
        "succeeded": 1,
        "without_success": [
            "render[3]: failed, try 2", "send: skipped, try 1", "tidy: never scheduled, try 0",
        ],
    }  # fmt: skip


def test_of_thousands_the_first_are_named_and_all_are_counted():
    found = summary(TaskState("render", index, 1, "failed") for index in reversed(range(5000)))
    assert (found["tasks"], found["succeeded"]) == (5000, 0)
    assert found["without_success"] == [f"render[{index}]: failed, try 1" for index in range(NAMED_MAX)]


def test_the_last_event_of_a_run_carries_it():
    payload = json.loads(dag_run_event(dag_run(), "failed", lambda run: [KILLED, DONE]).value)
    assert payload["state"] == "failed"
    assert (payload["tasks"], payload["succeeded"]) == (2, 1)
    assert payload["without_success"] == ["render[3]: failed, try 2"]


def test_a_run_whose_tasks_cannot_be_read_has_its_last_event_without_them(caplog):
    def broken(run):
        raise ConnectionError("the database is away")

    payload = json.loads(dag_run_event(dag_run(), "failed", broken).value)
    assert payload["state"] == "failed"
    assert "tasks" not in payload
    assert "does not name its tasks" in caplog.text
