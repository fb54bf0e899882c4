"""Airflow's REST API, as far as the demo and the list of runs need it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any, cast

from stack.credentials import credentials
from stack.place import HOST, Place, StackProblem

# One answer. A busy machine needs minutes for what takes a second otherwise.
ANSWER_S = 240.0


def local_api(place: Place) -> AirflowApi:
    """Logged in as the user `admin` of the local stack."""
    return AirflowApi(f"http://{HOST}:{place.port('airflow')}", "admin", credentials(place)["airflow_user_admin"])


class AirflowApi:
    """One user's session at one api-server."""

    def __init__(self, base: str, user: str, password: str) -> None:
        self._base = base
        self._token = ""
        self._token = self._call("POST", "/auth/token", {"username": user, "password": password})["access_token"]

    def wait_for_dags(self, names: set[str], timeout_s: float = 400) -> None:
        """Until the DAG processor has read them; StackProblem with Airflow's import errors otherwise."""
        deadline = time.monotonic() + timeout_s
        while True:
            dag_ids = {dag["dag_id"] for dag in self._call("GET", "/api/v2/dags?limit=200")["dags"]}
            if names <= dag_ids:
                return
            if time.monotonic() > deadline:
                errors = self._call("GET", "/api/v2/importErrors")["import_errors"]
                raise StackProblem(f"DAGs {sorted(names - dag_ids)} do not appear: {errors}")
            time.sleep(1)

    def trigger(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run with a conf payload; its run id."""
        return cast(
            str, self._call("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
        )

    def state(self, dag: str, run: str) -> str:
        return cast(str, self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"])

    def wait(self, dag: str, run: str, timeout_s: float = 900) -> str:
        """The state in which the run ended: success or failed."""
        deadline = time.monotonic() + timeout_s
        while (state := self.state(dag, run)) not in ("success", "failed"):
            if time.monotonic() > deadline:
                raise StackProblem(f"{dag} {run} is still {state}", "look at it in the Airflow UI")
            time.sleep(0.5)
        return state

    def answer(self, dag: str, run: str, task: str) -> Any:
        """What the task returned."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value?deserialize=true"
        return self._call("GET", path)["value"]

    def log(self, dag: str, run: str, task: str, attempt: int = 1) -> list[str]:
        """The lines of one attempt's log, as the UI shows them."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}?full_content=true"
        content = self._call("GET", path)["content"]
        return [line if isinstance(line, str) else str(line.get("event", "")) for line in content]

    def task_state(self, dag: str, run: str, task: str) -> str:
        return str(self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}")["state"])

    def run_count(self, dag: str) -> int:
        return int(self._call("GET", f"/api/v2/dags/{dag}/dagRuns?limit=1")["total_entries"])

    def dag_ids(self) -> list[str]:
        """All DAGs, paused or not, in the order of their names."""
        return sorted(dag["dag_id"] for dag in self._pages("/api/v2/dags?", "dags"))

    def details(self, dag: str) -> dict[str, Any]:
        """A DAG as Airflow describes it, with its params."""
        return cast(dict[str, Any], self._call("GET", f"/api/v2/dags/{dag}/details"))

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """Every run of a DAG, as Airflow describes it."""
        return self._pages(f"/api/v2/dags/{dag}/dagRuns?", "dag_runs")

    def task_instances(self, dag: str) -> list[dict[str, Any]]:
        """The last try of every task of every run of a DAG, as Airflow describes it."""
        return self._pages(f"/api/v2/dags/{dag}/dagRuns/~/taskInstances?", "task_instances")

    def _pages(self, path: str, name: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        while True:
            page = self._call("GET", f"{path}limit=100&offset={len(items)}")
            items += page[name]
            if not page[name] or len(items) >= page["total_entries"]:
                return items

    def _call(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._base + path.replace("+", "%2B"), data=data, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise StackProblem(
                f"Airflow answered {error.code} to {method} {path}: {error.read().decode()[:500]}"
            ) from None
        except OSError as error:
            raise StackProblem(
                f"Airflow did not answer {method} {path}: {error}",
                "see `make status` and `make logs s=airflow-api-server`",
            ) from error
