"""
What every DAG of this deployment shares; tests/dags/test_dag_policies.py demands it of each one.

Errors decide about retries, not the DAG that happens to meet them: a `TerminalError` fails the task at once,
anything else is tried again. Rules match subclasses (`isinstance`), so a new leaf of the error tree needs no line here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, cast

from airflow.sdk import ExceptionRetryPolicy, Param, RetryAction, RetryRule
from airflow.sdk import task as airflow_task

from plugins.connections.engine import ALL_STREAMS
from plugins.failure_hints import explained

# A fixed past date: only schedules after it matter, and a moving one would make a new DAG version at each parse.
START_DATE = datetime(2026, 1, 1, tzinfo=UTC)


class Tag(StrEnum):
    """Every tag a DAG may carry. The first tag of a DAG is its feature, and its chapter in docs/DAGs.md."""

    SPOOL = "spool"
    COLLECTORS = "collectors"
    SANITIZE = "sanitize"
    MEASUREMENTS = "measurements"
    CONSERVATION = "conservation"
    WAREHOUSE = "warehouse"
    OUTBOX = "outbox"
    # How a run comes about
    SCHEDULED = "scheduled"
    MANUAL = "manual"
    # What it may do
    MOVES_STATE = "moves-state"
    READS_ONLY = "reads-only"
    DEMO = "demo"


_WAYS = (Tag.SCHEDULED, Tag.MANUAL, Tag.MOVES_STATE, Tag.READS_ONLY, Tag.DEMO)
# All other tags, in the order of the chapters of docs/DAGs.md.
FEATURES = tuple(tag for tag in Tag if tag not in _WAYS)


class Pool(StrEnum):
    """Every pool a task may ask for; config/airflow_pools.json gives their slots and is imported by the stack."""

    # Bounds what may come in at once, so that a handful of demo runs cannot keep spool_replay from its slot.
    SPOOL_INTAKE = "spool_intake"
    # Hosts fetched from at once: bounds disk and network, not the number of hosts.
    COLLECTORS = "collectors"
    # One at a time on the state folders of the measurements, whichever DAG it is of.
    MEASUREMENTS = "measurements"
    # Tables copied at once: bounds the load on the sources and the memory of the loads.
    WAREHOUSE = "warehouse"


RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception="spool.errors.TerminalError",
            action=RetryAction.FAIL,
            reason="trying again gives the same result",
        ),
        RetryRule(
            exception="spool.errors.AppendUnknown",
            action=RetryAction.FAIL,
            reason="trying again by itself could append the same events twice",
        ),
    ]
)

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "data-operations",
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
    "retry_policy": RETRY_POLICY,
    "execution_timeout": timedelta(minutes=30),
}


def task(function: Callable[..., Any] | None = None, **options: Any) -> Callable[..., Any]:
    """Airflow's `@task`, with or without options, whose failures say in the open part of the log what to do."""
    if function is None:
        return lambda decorated: airflow_task(**options)(explained(decorated))
    return cast(Callable[..., Any], airflow_task(explained(function)))


def stream_param(default: str, description: str, *, all_streams: bool = False) -> Param:
    """
    A choice of the streams in config/spool.yml (part of the code base: reading it asks no service).

    A broken file shows as an import error that names file and key.
    """
    from spool import settings

    names = sorted(settings.load().streams)
    return Param(default, type="string", enum=[ALL_STREAMS, *names] if all_streams else names, description=description)
