"""
The main job, before your eyes: real log files and 200,000 generated events, through a broker that is killed.

    1. the stack is up                            5. Kafka starts again, the backlog drains
    2. log files of the machine and of the stack  6. verify --full, by the engine
    3. the first half of the load                 7. counted by a consumer that knows nothing of the engine
    4. Kafka gets SIGKILL; the second half        8. measurement reports: hosts to mirror
                                                  9. three installations into the warehouse, a change into
                                                     Kafka too; then the table

All of it goes through Airflow: DAG runs are triggered with conf payloads over its REST API. Can be run again and again;
interrupted, it stops the stack unless that ran before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from stack import demo_measurements, demo_warehouse
from stack.__main__ import down, one, up
from stack.airflow_api import AirflowApi, local_api
from stack.demo_count import Counted, Loaded, count
from stack.environment import deployment
from stack.interruption import Interrupted, stopping_what_was_started
from stack.place import HOST, REPOSITORY, Place, StackProblem, from_environment

EVENTS = 200_000
RUNS = 4
GROUP_SHARE = 0.05
OUTAGE_S = 15.0
DRAIN_S = 900.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--outage-s", type=float, default=OUTAGE_S, help="how long the broker is away, at least")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        place = from_environment()
        with stopping_what_was_started(place, down):
            ok = Demo(place, options.events, options.outage_s).run()
    except Interrupted as interruption:
        return interruption.exit_code
    except StackProblem as problem:
        print(
            f"demo: {problem}\n  what to do: {problem.hint or 'see `make status` and `make logs s=NAME`'}",
            file=sys.stderr,
        )
        return 1
    print(f"\n{'It holds.' if ok else 'IT DOES NOT HOLD: see the table.'}  ({time.monotonic() - started:.0f} s)")
    return 0 if ok else 1


class Demo:
    """One pass; every step says what it does."""

    def __init__(self, place: Place, events: int, outage_s: float) -> None:
        self._place = place
        self._outage_s = outage_s
        self._each = events // RUNS
        self._seed = int(time.time())
        self._steps = 0
        self._began = time.monotonic()

    def run(self) -> bool:
        self._say("starting the stack")
        up(self._place, [])
        self._airflow: AirflowApi = local_api(self._place)
        demo_measurements.write_bridge_map(self._place)
        wanted = {"spool_demo_events", "spool_intake_files", "spool_replay", "spool_ship", *demo_measurements.DAGS}
        self._airflow.wait_for_dags(wanted)
        lines = self._take_in_log_files()
        loads = self._load_through_an_outage()
        self._drain()
        self._say("verify --full: every position of the archive against what Kafka's readers see")
        rows = self._spool("verify", "--full")
        self._say("counting once more, with a consumer that knows nothing of the engine")
        counted = count(f"{HOST}:{self._place.port('kafka')}", "demo_events", loads)
        reports_right = demo_measurements.run(self._place, self._airflow, self._say, self._note)
        warehouse_right = demo_warehouse.run(self._place, self._say, self._note)
        self._table(lines, loads, rows, counted)
        return (
            reports_right
            and warehouse_right
            and all(row["green"] for row in rows)
            and not (counted.missing or counted.doubled or counted.out_of_order or counted.split_groups)
        )

    def _take_in_log_files(self) -> int:
        paths = ["/var/log/*.log", "/var/log/apt/*.log", f"{self._place.path('log')}/*.log"]
        self._say(f"taking in log files: {', '.join(paths)}")
        run = self._airflow.trigger("spool_intake_files", {"paths": paths, "max_events": 50_000})
        if self._airflow.wait("spool_intake_files", run) != "success":
            raise StackProblem("spool_intake_files failed", "its task log in the Airflow UI says why")
        result = self._airflow.answer("spool_intake_files", run, "append_lines")
        self._note(f"{result['events']:,} lines of {result['files']} files, acknowledged by S3")
        return int(result["events"])

    def _load_through_an_outage(self) -> list[Loaded]:
        half = RUNS // 2
        self._say(f"appending {self._each * half:,} events, one in {round(1 / GROUP_SHARE)} in groups of 10")
        loads = self._append(range(half))
        self._say("kill -9 the broker, and keep appending")
        self._wait_until_something_is_delivered()
        one(self._place, "kill", "kafka")
        killed = time.monotonic()
        loads += self._append(range(half, RUNS))
        time.sleep(max(0.0, self._outage_s - (time.monotonic() - killed)))
        self._note(f"Kafka was away for {time.monotonic() - killed:.0f} s; appended meanwhile: {self._each * half:,}")
        self._say("starting the broker again")
        one(self._place, "start", "kafka")
        return loads

    def _append(self, numbers: range) -> list[Loaded]:
        runs = [
            (
                self._seed + number,
                self._airflow.trigger(
                    "spool_demo_events",
                    {"events": self._each, "seed": self._seed + number, "group_share": GROUP_SHARE, "keys": 1000},
                ),
            )
            for number in numbers
        ]
        loads = []
        for seed, run in runs:
            if self._airflow.wait("spool_demo_events", run) != "success":
                raise StackProblem("spool_demo_events failed", "its task log in the Airflow UI says why")
            result = self._airflow.answer("spool_demo_events", run, "append_events")
            self._note(f"{result['events']:,} events, {result['groups']:,} groups, in {result['seconds']} s")
            loads.append(Loaded(seed, int(result["events"])))
        return loads

    def _wait_until_something_is_delivered(self) -> None:
        """So that the broker dies in the middle of the work, not before it."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            if any(row["stream"] == "demo" and (row["delivered"] or 0) > 0 for row in self._spool("stats")):
                return
            time.sleep(1)

    def _drain(self) -> None:
        self._say("waiting until all is in Kafka")
        deadline, last_printed = time.monotonic() + DRAIN_S, -1
        while True:
            rows = [row for row in self._spool("stats") if row["stream"] in ("demo", "machine_logs")]
            waiting = sum(max(0, (row["appended"] or row["archived"] or 0) - (row["delivered"] or 0)) for row in rows)
            if rows and not waiting and all(row["delivered"] is not None for row in rows):
                return
            if waiting != last_printed:
                self._note(f"{waiting:,} events to go")
                last_printed = waiting
            if time.monotonic() > deadline:
                raise StackProblem(
                    f"{waiting:,} events are not in Kafka after {DRAIN_S:.0f} s", "`python -m spool stats`"
                )
            time.sleep(2)

    def _spool(self, *arguments: str) -> list[dict[str, Any]]:
        """A command of the engine, as rows."""
        run = subprocess.run(
            [sys.executable, "-m", "spool", *arguments, "--json"],
            env={**os.environ, **deployment(self._place), "PYTHONPATH": str(REPOSITORY)},
            capture_output=True, text=True, check=False, cwd=Path(REPOSITORY),
        )  # fmt: skip
        if run.returncode not in (0, 5):
            raise StackProblem(f"spool {arguments[0]} failed: {run.stderr[-1000:]}")
        return [json.loads(line) for line in run.stdout.splitlines()]

    def _table(self, lines: int, loads: list[Loaded], rows: list[dict[str, Any]], counted: Counted) -> None:
        appended = sum(load.events for load in loads)
        mine = [row for row in rows if row["stream"] in ("demo", "machine_logs")]
        print("\n  this run, counted in Kafka by a consumer of its own")
        for name, value in (
            ("appended", appended), ("in Kafka", counted.seen), ("missing", counted.missing),
            ("doubled", counted.doubled), ("out of order", counted.out_of_order),
            ("groups split", counted.split_groups),
        ):  # fmt: skip
            print(f"    {name:<14}{value:>12,}")
        print(f"    {'longest delay':<14}{counted.longest_delay_s:>10} s   (the outage is in it)")
        print(f"    {'log lines':<14}{lines:>12,}   appended besides")
        print("\n  all runs so far, from S3 and Kafka (verify --full)")
        heads = ("archived", "delivered", "waiting", "missing", "doubled", "out_of_order")
        print("    " + f"{'stream':<14}" + "".join(f"{head:>14}" for head in heads))
        for row in mine:
            print("    " + f"{row['stream']:<14}" + "".join(f"{row[head]:>14,}" for head in heads))
        base = f"http://{HOST}"
        passwords = self._place.path("airflow", "passwords.json")
        print(f"\n  Airflow    {base}:{self._place.port('airflow')}   user admin, password in {passwords}")
        print(f"  mail view  {base}:{self._place.port('mail_view')}")
        print(f"  mirror     {base}:{self._place.port('mirror')}")
        print("  make status, make logs s=kafka, make down")

    def _say(self, text: str) -> None:
        self._steps += 1
        print(f"\n[{time.monotonic() - self._began:4.0f} s] {self._steps}. {text}", flush=True)

    def _note(self, text: str) -> None:
        print(f"         {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
