"""
The tasks of a run at its end, for the run's last event.

A task says by an event of its own how it ended, unless its process was killed, the scheduler ended it with the run
(`dagrun_timeout`), or it never began (`upstream_failed`, `skipped` by a trigger rule, `removed`). So the run's last
event counts its tasks, and names those that did not end in success.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

# More would make an event of a run with thousands of mapped tasks longer than it is worth.
NAMED_MAX = 200


class TaskState(NamedTuple):
    """One task of a run; `state` is None for one that was never scheduled."""

    task_id: str
    map_index: int
    try_number: int
    state: str | None


def task_states(dag_run: Any) -> list[TaskState]:
    """All tasks of a run, read in the session that the run belongs to; it sees what is not committed yet."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        raise LookupError("the run belongs to no session")
    session.flush()  # Airflow's sessions do not do it by themselves before they read
    chosen = select(TaskInstance.task_id, TaskInstance.map_index, TaskInstance.try_number, TaskInstance.state).where(
        TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id
    )
    return [TaskState(task, index, attempt, _text(state)) for task, index, attempt, state in session.execute(chosen)]


def summary(tasks: Iterable[TaskState]) -> dict[str, Any]:
    """The fields of a run's last event about its tasks; those without success are sorted, and NAMED_MAX at most."""
    known = sorted(tasks, key=lambda task: (task.task_id, task.map_index))
    others = [task for task in known if task.state != "success"]
    return {
        "tasks": len(known),
        "succeeded": len(known) - len(others),
        "without_success": [_line(task) for task in others[:NAMED_MAX]],
    }


def _line(task: TaskState) -> str:
    index = f"[{task.map_index}]" if task.map_index >= 0 else ""
    return f"{task.task_id}{index}: {task.state or 'never scheduled'}, try {task.try_number}"


Reader = Callable[[Any], Iterable[TaskState]]


def _text(value: object) -> str | None:
    return None if value is None else str(getattr(value, "value", value))
