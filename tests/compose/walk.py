"""The main job through the containers' published port, and what has to be there afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from stack import demo_measurements
from stack.airflow_api import AirflowApi
from tests.compose.containers import Containers

EVENTS, RUNS, OUTAGE_S, DRAIN_S = 20_000, 4, 15.0, 600.0
STATE_FOLDER = "/var/lib/spillway/state"
DAGS = {"spool_demo_events", "spool_replay", "spool_ship", "spool_verify", *demo_measurements.DAGS}

COUNT = """
import json
from stack.demo_count import Loaded, count
print(json.dumps(count("kafka:9092", "demo_events", [Loaded(*load) for load in {loads}])._asdict()))
"""
WHERE = """
import json, pathlib
root = pathlib.Path("{folder}")
states = {{}}
for state in {states}:
    for path in (root / state).rglob("*{mark}*"):
        if path.is_file() and not path.name.endswith(".reason.json"):
            states[path.name.split("-{mark}")[0]] = path.relative_to(root).parts[0]
print(json.dumps(states))
"""
WRITE_MAP = """
import json, os, pathlib
pathlib.Path(os.environ["SPILLWAY_BRIDGES"]).write_text({text!r})
print(json.dumps(True))
"""
DOCUMENTS = """
import json, os
from pymongo import MongoClient
from pymongo.errors import OperationFailure
database = MongoClient(os.environ["SPILLWAY_MONGO_READ_URI"]).get_default_database()
counts = {name: database[name].count_documents({}) for name in database.list_collection_names()}
try:
    database["measurements"].insert_one({"_id": "written by the reader"})
    counts["refused"] = False
except OperationFailure:
    counts["refused"] = True
print(json.dumps(counts))
"""


class Walk:
    """The steps, each of which adds what is wrong to `problems`."""

    def __init__(self, containers: Containers, airflow: AirflowApi, say: Callable[[str], None]) -> None:
        self._containers, self._airflow, self._say = containers, airflow, say
        self._loads: list[tuple[int, int]] = []
        self._seed = int(time.time())
        self.problems: list[str] = []

    def events(self) -> None:
        """Half of the load, Kafka killed, the other half, Kafka back; counted by a consumer of its own."""
        self._append(RUNS // 2)
        self._wait_for(lambda: any(row["delivered"] for row in self._demo_rows()), "something is delivered")
        self._containers.compose("kill", "kafka")
        killed = time.monotonic()
        self._append(RUNS // 2)
        time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - killed)))
        self._containers.compose("start", "kafka")
        self._say(f"kafka was killed and away for {time.monotonic() - killed:.0f} s")
        self.drained()

    def drained(self) -> None:
        """Everything appended is in Kafka, once and in order."""
        self._wait_for(self._all_delivered, "all is delivered")
        rows = self._containers.spool("verify", "--full")
        self._check(bool(rows) and all(row["green"] for row in rows), f"verify --full is not green: {rows}")
        counted = self._containers.python("shipper", COUNT.format(loads=self._loads))
        self._say(f"counted by a consumer of its own: {counted}")
        for name in ("missing", "doubled", "out_of_order", "split_groups"):
            self._check(counted[name] == 0, f"{counted[name]} events are {name}")

    def more_events(self) -> None:
        """One more load, for what was killed in between to carry."""
        self._append(1)

    def measurement_reports(self) -> None:
        """From two collector hosts to MongoDB and the mirror."""
        mark = str(int(time.time()))
        self._containers.python("airflow-scheduler", WRITE_MAP.format(text=demo_measurements.bridge_map()))
        reports = demo_measurements.constructed_reports(mark)
        for host, files in reports.items():
            for name, (text, _) in files.items():
                command = f"mkdir -p /data/archive && cat > /data/archive/{name}"
                service = host.replace("_", "-")
                self._containers.compose("exec", "-T", "-u", "collector", service, "sh", "-c", command, text=text)
        time.sleep(demo_measurements.QUIET_S)
        for dag in demo_measurements.DAGS:
            state = self._airflow.wait(dag, self._airflow.trigger(dag, {}), timeout_s=600)
            self._check(state == "success", f"{dag} ended as {state}")
        program = WHERE.format(folder=STATE_FOLDER, states=demo_measurements.STATES, mark=mark)
        states = self._containers.python("airflow-scheduler", program)
        for files in reports.values():
            for name, (_, expected) in files.items():
                state = states.get(name.split("-")[0], "nowhere")
                self._check(state == expected, f"{name} is in {state} instead of {expected}")
        self._say(f"measurement reports: {json.dumps(states)}")

    def logs(self) -> None:
        """The log of a running task and of an ended one, through the api-server."""
        run = self._airflow.trigger("spool_demo_events", {"events": 400_000, "seed": self._seed - 1})
        task = ("spool_demo_events", run, "append_events")
        self._wait_for(lambda: self._airflow.task_state(*task) in ("running", "success", "failed"), "the task runs")
        running = self._airflow.log(*task)
        still_runs = self._airflow.task_state(*task) == "running"
        self._check(not any("Could not read" in line for line in running), f"served log: {running[:3]}")
        self._airflow.wait("spool_demo_events", run, timeout_s=600)
        self._check(bool(self._airflow.log(*task)), "the log of an ended task is empty")
        self._say(f"log of a {'running' if still_runs else 'just ended'} task: {len(running)} lines")

    def kept(self) -> None:
        """What earlier steps left: runs, events, documents; and the reader's account cannot write."""
        rows = self._containers.spool("verify", "--full")
        self._check(bool(rows) and all(row["green"] for row in rows), f"verify --full is not green: {rows}")
        self._check(self._airflow.run_count("spool_demo_events") >= RUNS, "runs of spool_demo_events are gone")
        documents = self._containers.python("airflow-api-server", DOCUMENTS)
        self._check(documents.pop("refused"), "mongo_read may write")
        self._check(documents.get("measurements", 0) >= 3, f"documents are gone: {documents}")
        self._say(f"kept: {documents}, {sum(row['delivered'] for row in rows):,} events delivered, all green")

    def replay_moves_again(self, within_s: float) -> None:
        """A new event reaches Kafka within `within_s` after a kill of the scheduler."""
        began = time.monotonic()
        self._append(1)
        self._wait_for(self._all_delivered, "replay moves again")
        self._say(f"replay moved again after {time.monotonic() - began:.0f} s (expected within {within_s:.0f} s)")

    def _append(self, runs: int) -> None:
        each = EVENTS // RUNS
        begun = []
        for _ in range(runs):
            seed = self._seed + len(self._loads) + len(begun)
            conf = {"events": each, "seed": seed, "group_share": 0.05, "keys": 1000}
            begun.append((seed, self._airflow.trigger("spool_demo_events", conf)))
        for seed, run in begun:
            state = self._airflow.wait("spool_demo_events", run, timeout_s=600)
            if state != "success":
                raise RuntimeError(f"spool_demo_events ended as {state}")
            self._loads.append((seed, int(self._airflow.answer("spool_demo_events", run, "append_events")["events"])))

    def _demo_rows(self) -> list[dict[str, Any]]:
        return [row for row in self._containers.spool("stats") if row["stream"] == "demo"]

    def _all_delivered(self) -> bool:
        rows = self._demo_rows()
        return bool(rows) and all(
            row["delivered"] is not None and row["delivered"] >= (row["appended"] or row["archived"] or 0)
            for row in rows
        )

    def _wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DRAIN_S
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {DRAIN_S:.0f} s: {what}")
            time.sleep(2)

    def _check(self, right: bool, problem: str) -> None:
        if not right:
            self._say(f"WRONG: {problem}")
            self.problems.append(problem)
