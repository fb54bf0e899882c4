"""Stand-ins for what Airflow hands to a listener, with a secret in the conf that must not come out."""

from datetime import UTC, datetime
from types import SimpleNamespace

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def dag_run(**more):
    values = {"dag_id": "reports", "run_id": "manual__1", "run_type": "manual", "logical_date": None}
    values |= {"start_date": AT, "end_date": None, "conf": {"password": "hunter2"}}
    return SimpleNamespace(**values | more)


def task_instance(**more):
    values = {"dag_id": "reports", "run_id": "manual__1", "task_id": "render", "map_index": 3, "try_number": 2}
    values |= {"max_tries": 3, "start_date": AT, "end_date": AT, "state": "running", "conf": {"password": "hunter2"}}
    return SimpleNamespace(**values | more)
