"""
Airflow's four components, and a server for their logs. The scheduler comes last: tasks that are due at boot need the
api-server to report to, and take the processor from whatever is still starting.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from stack.credentials import USERS, airflow_passwords_file, credentials
from stack.environment import connections, deployment, python_path
from stack.place import HOST, REPOSITORY, Place, StackProblem
from stack.probes import http_ok, tcp
from stack.service import Service
from stack.services import postgres

POOLS = REPOSITORY / "config" / "airflow_pools.json"
LOG_BUCKET = "airflow-logs"


def services(place: Place) -> list[Service]:
    api, health = place.port("airflow"), place.port("airflow_scheduler_health")
    program = str(Path(sys.prefix) / "bin" / "airflow")
    variables = environment(place)

    def component(name: str, command: list[str], ready: Callable[[], bool], **more: object) -> Service:
        return Service(
            name=f"airflow-{name}",
            command=command,
            environment=variables,
            ready=ready,
            stop_wait_s=40,
            ready_within_s=400,
            **more,  # type: ignore[arg-type]
        )

    monitor = f"http://{HOST}:{api}/api/v2/monitor/health"
    logs = place.port("airflow_logs")
    return [
        component(
            "api-server", [program, "api-server"], lambda: http_ok(monitor),
            prepare=lambda: _prepare(place), ports=(api,), url=f"http://{HOST}:{api}",
        ),
        component(
            "logs", [sys.executable, "-m", "stack.log_server"], lambda: tcp(logs),
            prepare=lambda: place.make("airflow", "logs"), ports=(logs,),
        ),
        component(
            "dag-processor", [program, "dag-processor"], lambda: _beats(place, monitor, "dag_processor"),
            prepare=lambda: _begin(place, "dag_processor"),
        ),
        component(
            "triggerer", [program, "triggerer", "--skip-serve-logs"], lambda: _beats(place, monitor, "triggerer"),
            prepare=lambda: _begin(place, "triggerer"),
        ),
        component(
            "scheduler", [program, "scheduler", "--skip-serve-logs"], lambda: http_ok(f"http://{HOST}:{health}/health"),
            # A task that is interrupted is tried again; every one of ours may be.
            ports=(health,), interrupt_children=True,
        ),
    ]  # fmt: skip


def environment(place: Place) -> dict[str, str]:
    """All settings of an Airflow process; no airflow.cfg is needed."""
    secrets, api = credentials(place), place.port("airflow")
    base = f"http://{HOST}:{api}"
    return {
        **deployment(place),
        **connections(place),
        **python_path(),
        "AIRFLOW_HOME": str(place.path("airflow")),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # Workers are forked in advance; each costs memory whether it works or not.
        "AIRFLOW__CORE__PARALLELISM": str(max(4, 2 * (os.cpu_count() or 1))),
        "AIRFLOW__CORE__FERNET_KEY": secrets["airflow_fernet"],
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(place.path("airflow", "passwords.json")),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets["airflow_jwt"],
        "AIRFLOW__API__SECRET_KEY": secrets["airflow_secret"],
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(api),
        "AIRFLOW__API__BASE_URL": base,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.connection_url(place),
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "True",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": HOST,
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(place.port("airflow_scheduler_health")),
        # One second between passes is most of the latency of a short task.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        # Tasks of a killed scheduler are started again in half a minute; until then they keep their DAG from running.
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        # One server on loopback for the logs of both (stack/log_server.py).
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "stack.log_server.host_name",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(place.port("airflow_logs")),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(place.port("airflow_logs")),
        "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
        "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": f"s3://{LOG_BUCKET}/logs",
        "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": "aws_logs",
        # Shows the local log while the object store is away.
        "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "plugins.task_logs.LOGGING_CONFIG",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "no_proxy": "127.0.0.1,localhost",
    }


def _prepare(place: Place) -> None:
    place.make("airflow")
    place.make("state")
    airflow_passwords_file(place)
    mark = place.path("airflow", ".migrated")
    version = _version()
    if mark.exists() and mark.read_text(encoding="utf-8") == version:
        return
    _airflow(place, "db", "migrate")
    if POOLS.exists():
        _airflow(place, "pools", "import", str(POOLS))
    mark.write_text(version, encoding="utf-8")


def _version() -> str:
    """What a migration depends on: Airflow's version and our pools."""
    from importlib.metadata import version

    return version("apache-airflow") + (POOLS.read_text(encoding="utf-8") if POOLS.exists() else "")


def _airflow(place: Place, *arguments: str) -> None:
    variables = {**os.environ, **environment(place)}
    # The database is the only neighbour that is needed here.
    variables["AIRFLOW__LOGGING__REMOTE_LOGGING"] = "False"
    command = [str(Path(sys.prefix) / "bin" / "airflow"), *arguments]
    run = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if run.returncode:
        raise StackProblem(f"airflow {' '.join(arguments[:2])} failed:\n{(run.stdout + run.stderr)[-2000:]}")


def _begin(place: Place, component: str) -> None:
    place.make("run").joinpath(f"{component}.begun").write_text(str(time.time()), encoding="ascii")


def _beats(place: Place, url: str, component: str) -> bool:
    """Healthy by a heartbeat of this start: that of a killed predecessor counts as healthy for half a minute."""
    begun = place.path("run", f"{component}.begun")
    try:
        with urllib.request.urlopen(url, timeout=3) as response:
            health = json.load(response)[component]
        beat = datetime.fromisoformat(health[f"latest_{component}_heartbeat"]).timestamp()
        return bool(health["status"] == "healthy") and beat > float(begun.read_text(encoding="ascii"))
    except (OSError, ValueError, KeyError, TypeError):
        return False
