"""The listener that Airflow loads in each of its processes; what it does is in plugins/listener/state_events.py."""

from __future__ import annotations

from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from plugins.listener.run_tasks import task_states
from plugins.listener.state_events import dag_run_event, record, task_instance_event


class StateEventListener:
    """One method per hook of Airflow; parameter names are part of the hooks."""

    @hookimpl
    def on_dag_run_running(self, dag_run: Any) -> None:
        record(dag_run_event, dag_run, "running")

    @hookimpl
    def on_dag_run_success(self, dag_run: Any) -> None:
        record(dag_run_event, dag_run, "success", task_states)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any) -> None:
        record(dag_run_event, dag_run, "failed", task_states)

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        record(task_instance_event, task_instance, "running", previous_state)

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        record(task_instance_event, task_instance, "success", previous_state)

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        record(task_instance_event, task_instance, "skipped", previous_state)

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        # Airflow calls this hook also for a try that will be repeated; the state distinguishes the two.
        waits = str(getattr(task_instance.state, "value", task_instance.state)) == "up_for_retry"
        record(task_instance_event, task_instance, "up_for_retry" if waits else "failed", previous_state, error)


class StateEventsPlugin(AirflowPlugin):
    name = "state_events"
    listeners = [StateEventListener()]  # noqa: RUF012  - the attribute's type is Airflow's
