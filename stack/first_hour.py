"""
What became of the runs of a stack since its first `up`: `python -m stack.first_hour` prints the page, and `--write`
puts it into docs/first-hour.md.

The page is about the stack of STACK_DIR. It counts runs and tasks by their states, and names every run that failed and
every task that needed more than one try; the exit code is 1 where a run failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from stack.airflow_api import AirflowApi, local_api
from stack.place import REPOSITORY, StackProblem, from_environment

PAGE = REPOSITORY / "docs" / "first-hour.md"
RUN_STATES = ("success", "failed", "running", "queued")
TASK_STATES = ("success", "skipped", "failed", "upstream_failed")
OTHERS = "other"


@dataclass(frozen=True)
class DagHistory:
    """One DAG's runs and tasks, as the REST API describes them."""

    dag: str
    runs: list[dict[str, Any]]
    tasks: list[dict[str, Any]]

    def failed(self) -> list[str]:
        return [f"`{self.dag}` `{run['dag_run_id']}`" for run in self.runs if run["state"] == "failed"]

    def tried_again(self) -> list[str]:
        return [
            f"`{self.dag}` `{task['dag_run_id']}` `{task['task_id']}`: {task['state']} at try {task['try_number']}"
            for task in self.tasks
            if task["try_number"] > 1
        ]


def read_histories(api: AirflowApi) -> list[DagHistory]:
    """One for every DAG, also for those that have never run."""
    return [DagHistory(dag, api.runs(dag), api.task_instances(dag)) for dag in api.dag_ids()]


def render(histories: Iterable[DagHistory], commit: str, now: datetime) -> str:
    """The page in Markdown."""
    known = list(histories)
    failed = [line for history in known for line in history.failed()]
    again = [line for history in known for line in history.tried_again()]
    return "\n".join(
        [
            "# The first hour of an empty stack",
            "",
            "`make up` on an empty folder, every DAG on its schedule, nobody at the keyboard; then",
            "`.venv/bin/python -m stack.first_hour --write`.",
            "",
            f"{now:%Y-%m-%d %H:%M} UTC, commit {commit}: {_minutes(known, now)} after the first run"
            f" {_count(len(failed), 'run has', 'runs have')} failed.",
            "",
            "## Runs",
            "",
            *_table(known, RUN_STATES, lambda history: history.runs),
            "",
            "## Tasks",
            "",
            "A task with nothing to do succeeds, or is skipped and says why in its log.",
            "",
            *_table(known, TASK_STATES, lambda history: history.tasks),
            "",
            *_list("Runs that failed", failed),
            *_list("Tasks that were tried more than once", again),
        ]
    )


def _table(histories: list[DagHistory], states: tuple[str, ...], rows_of: Any) -> list[str]:
    lines = [f"| DAG | {' | '.join((*states, OTHERS))} |", "|---|" + "--:|" * (len(states) + 1)]
    for history in histories:
        counted = Counter(row["state"] if row["state"] in states else OTHERS for row in rows_of(history))
        lines.append(f"| `{history.dag}` | {' | '.join(_cell(counted, state) for state in (*states, OTHERS))} |")
    return lines


def _cell(counted: Mapping[str, int], state: str) -> str:
    return str(counted[state]) if counted[state] else ""


def _list(title: str, lines: list[str]) -> list[str]:
    return [f"## {title}", "", *([f"- {line}" for line in lines] or ["None."]), ""]


def _minutes(histories: list[DagHistory], now: datetime) -> str:
    begun = [datetime.fromisoformat(run["start_date"]) for h in histories for run in h.runs if run["start_date"]]
    return f"{(now - min(begun)) // timedelta(minutes=1) if begun else 0} minutes"


def _count(number: int, singular: str, more: str) -> str:
    return f"{number or 'no'} {singular if number == 1 else more}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into docs/first-hour.md")
    options = parser.parse_args()
    try:
        histories = read_histories(local_api(from_environment()))
    except StackProblem as problem:
        print(f"first_hour: {problem}\n  what to do: {problem.hint or 'make up'}", file=sys.stderr)
        return 2
    page = render(histories, _commit(), datetime.now(UTC))
    print(page)
    if options.write:
        PAGE.write_text(page.rstrip() + "\n", encoding="utf-8")
    return 1 if any(history.failed() for history in histories) else 0


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
