"""The events of the stream `airflow`: ids, states, numbers and times; never conf, parameters or error texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from include.common.event_type import FeatureEvent

STREAM = "airflow"

_TIME = "RFC 3339, in milliseconds"


@dataclass(frozen=True)
class _RunEvent(FeatureEvent, stream=STREAM):
    dag_id: Annotated[str, "id of the DAG"]
    run_id: Annotated[str, "id of the run"]

    def event_key(self) -> str:
        """`dag_id/run_id`."""
        return f"{self.dag_id}/{self.run_id}"


@dataclass(frozen=True)
class _DagRun(_RunEvent):
    run_type: Annotated[str | None, "such as `scheduled` or `manual`"]
    state: Annotated[str, "the new state"]
    logical_date: Annotated[str | None, _TIME]
    start_date: Annotated[str | None, _TIME]
    end_date: Annotated[str | None, _TIME]


class DagRunRunning(_DagRun, type="airflow.dag_run.running"):
    """A DAG run has begun."""


@dataclass(frozen=True)
class _DagRunEnd(_DagRun):
    tasks: Annotated[int | None, "how many tasks the run has"] = None
    succeeded: Annotated[int | None, "how many of them ended in success"] = None
    without_success: Annotated[list[str] | None, "the others, as `task[map index]: state, try n`; 200 at most"] = None


class DagRunSuccess(_DagRunEnd, type="airflow.dag_run.success", version=2):
    """A DAG run has succeeded. Names the tasks that were skipped or never began, and so emitted no event."""


class DagRunFailed(_DagRunEnd, type="airflow.dag_run.failed", version=2):
    """A DAG run has failed. Names the tasks that did not succeed, also those that were killed and emitted no event."""


@dataclass(frozen=True)
class _TaskInstance(_RunEvent):
    task_id: Annotated[str, "id of the task"]
    map_index: Annotated[int, "index of a mapped task; -1 where it is not mapped"]
    try_number: Annotated[int | None, "number of the try, from 1"]
    max_tries: Annotated[int | None, "how many tries it may have after the first"]
    state: Annotated[str, "the new state"]
    previous_state: Annotated[str | None, "the state before"]
    start_date: Annotated[str | None, _TIME]
    end_date: Annotated[str | None, _TIME]
    error_type: Annotated[str | None, "name of the error's type; its text may hold secrets"] = None


class TaskInstanceRunning(_TaskInstance, type="airflow.task_instance.running"):
    """A try of a task has begun."""


class TaskInstanceSuccess(_TaskInstance, type="airflow.task_instance.success"):
    """A task has succeeded."""


class TaskInstanceSkipped(_TaskInstance, type="airflow.task_instance.skipped"):
    """A task was skipped."""


class TaskInstanceUpForRetry(_TaskInstance, type="airflow.task_instance.up_for_retry"):
    """A try of a task has failed, and another one follows."""


class TaskInstanceFailed(_TaskInstance, type="airflow.task_instance.failed"):
    """A task has failed for good."""


DAG_RUN_EVENTS: dict[str, type[_DagRun]] = {
    event.type.rpartition(".")[2]: event for event in (DagRunRunning, DagRunSuccess, DagRunFailed)
}
TASK_INSTANCE_EVENTS: dict[str, type[_TaskInstance]] = {
    event.type.rpartition(".")[2]: event
    for event in (
        TaskInstanceRunning,
        TaskInstanceSuccess,
        TaskInstanceSkipped,
        TaskInstanceUpForRetry,
        TaskInstanceFailed,
    )
}
