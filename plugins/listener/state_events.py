"""
State changes of DAG runs and task instances as events on the stream `airflow`.

Called in the scheduler (DAG runs), in task processes (task instances) and in the API server (states set by hand).
A state change must never fail because of us, and none may vanish silently:

1. append, acknowledged on disk, within APPEND_TIMEOUT_S
2. did that fail: put the event aside in the spool folder, where the DAG spool_ship finds it
3. did that fail too: an error in the log with the event's id and the number lost so far

After a failed append the next ones go straight to step 2 for a while, so that a stuck disk does not hold up the
scheduler again and again. Payloads hold ids, states, numbers and times; never conf, parameters or error texts, which
may hold secrets.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.common.event_type import FeatureEvent, encode
from plugins.connections import engine, host_folders
from plugins.listener.events import DAG_RUN_EVENTS, STREAM, TASK_INSTANCE_EVENTS
from plugins.listener.run_tasks import Reader, summary
from spool.event import Event
from spool.intake.late_events import put_aside

if TYPE_CHECKING:
    from spool.intake.client import SpoolClient

LOGGER = logging.getLogger(__name__)

# An append takes milliseconds; the scheduler's loop must not wait longer than it waits for its own database.
APPEND_TIMEOUT_S = 2.0
REST_AFTER_FAILURE_S = 30.0


def dag_run_event(dag_run: Any, state: str, read_tasks: Reader | None = None) -> Event:
    """`airflow.dag_run.<state>`, key `dag_id/run_id`. With `read_tasks`: how the tasks of the run have ended, too."""
    return _encoded(
        DAG_RUN_EVENTS[state](
            dag_id=dag_run.dag_id,
            run_id=dag_run.run_id,
            run_type=_text(getattr(dag_run, "run_type", None)),
            state=state,
            logical_date=_time(getattr(dag_run, "logical_date", None)),
            start_date=_time(getattr(dag_run, "start_date", None)),
            end_date=_time(getattr(dag_run, "end_date", None)),
            **(_tasks(dag_run, read_tasks) if read_tasks else {}),
        )
    )


def _tasks(dag_run: Any, read_tasks: Reader) -> dict[str, Any]:
    """Empty where they cannot be read: the run has ended all the same, and its event says so."""
    try:
        return summary(read_tasks(dag_run))
    except Exception:
        LOGGER.exception("the last event of run %s does not name its tasks", dag_run.run_id)
        return {}


def task_instance_event(task_instance: Any, state: str, previous_state: object, error: object = None) -> Event:
    """`airflow.task_instance.<state>`, key `dag_id/run_id`. Of an error only its type is emitted."""
    return _encoded(
        TASK_INSTANCE_EVENTS[state](
            dag_id=task_instance.dag_id,
            run_id=task_instance.run_id,
            task_id=task_instance.task_id,
            map_index=getattr(task_instance, "map_index", -1),
            try_number=getattr(task_instance, "try_number", None),
            max_tries=getattr(task_instance, "max_tries", None),
            state=state,
            previous_state=_text(previous_state),
            start_date=_time(getattr(task_instance, "start_date", None)),
            end_date=_time(getattr(task_instance, "end_date", None)),
            error_type=type(error).__name__ if isinstance(error, BaseException) else None,
        )
    )


class Recorder:
    """Appends events and never raises. One per process; a forked child continues with its own numbers."""

    def __init__(self, folder: Path, open_client: Callable[[], SpoolClient]) -> None:
        """`open_client` is called at the first event, and again as long as it fails: settings may be broken, too."""
        self._folder, self._open_client = folder, open_client
        self._client: SpoolClient | None = None
        self._rest_until = 0.0
        self.appended = self.put_aside = self.lost = 0

    def record(self, event: Event) -> None:
        if time.monotonic() >= self._rest_until:
            try:
                self._append(event)
            except Exception as error:  # noqa: BLE001  - a state change never fails because of its event; it is put aside
                self._rest_until = time.monotonic() + REST_AFTER_FAILURE_S
                LOGGER.warning("event %s could not be appended and is put aside: %s", event.id, error)
            else:
                self.appended += 1
                return
        self._put_aside(event)

    def _append(self, event: Event) -> None:
        if self._client is None:
            self._client = self._open_client()
        self._client.append(STREAM, [event], acknowledgement="disk", timeout_s=APPEND_TIMEOUT_S)

    def _put_aside(self, event: Event) -> None:
        try:
            put_aside(self._folder, STREAM, event)
        except Exception:
            self.lost += 1
            LOGGER.exception("event %s type=%s is LOST; lost so far here: %s", event.id, event.type, self.lost)
        else:
            self.put_aside += 1
            LOGGER.info("put aside so far in this process: %s; spool_ship appends them", self.put_aside)


def record(make: Any, *arguments: object) -> None:
    """Make an event and record it; whatever goes wrong is logged and stays here."""
    try:
        if recorder := _recorder():
            recorder.record(make(*arguments))
    except Exception:
        LOGGER.exception("a state change of Airflow is not recorded")


@functools.cache
def _recorder() -> Recorder | None:
    if not os.environ.get("SPOOL_FOLDER"):
        LOGGER.warning("SPOOL_FOLDER is not set: state changes of Airflow are not recorded in this process")
        return None
    return Recorder(host_folders.spool_folder(), engine.spool_client)


def _encoded(event: FeatureEvent) -> Event:
    # Not the hash of its content: a state may be reached twice.
    return encode(event, f"airflow/{socket.gethostname()}", id=uuid.uuid4().hex, time_ms=time.time_ns() // 1_000_000)


def _text(value: object) -> str | None:
    return None if value is None else str(getattr(value, "value", value))


def _time(value: object) -> str | None:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else None
