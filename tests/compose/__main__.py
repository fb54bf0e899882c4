"""
The deployment in containers, really started: docker-compose.airflow.yml as it is, driven, killed, and taken down.

    python -m tests.compose [--folder F] [--publish]

    1. a Docker engine of its own; upstream's images, or stand-ins made of packages where no registry answers
    2. `up --build --wait`: all healthy, nothing restarted, no zombies, one image of Airflow
    3. the main job through the published port: Kafka killed in the middle, counted; measurement reports; logs
    4. the scheduler killed: replay moves again; s3, postgres, mongo and mariadb killed: everything is kept
    5. `restart`, then `down` and `up`: everything is kept; then `down -v`, and the engine ends

`--publish` keeps the result as docs/compose.md. Exit code 0 when all holds, 1 when something does not, 4 when this
machine cannot run containers (the reason is printed).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from stack.airflow_api import AirflowApi
from stack.compose_env import write_environment
from stack.place import REPOSITORY
from tests.compose import stand_ins
from tests.compose.containers import Containers
from tests.compose.engine import CannotRun, Engine
from tests.compose.walk import DAGS, Walk

PROJECT = "spillway-test"
PORTS = {"AIRFLOW_PORT": "18080", "MAIL_PORT": "18025"}
MOVES_AGAIN_S = 90.0
CANNOT_RUN = 4


class Course:
    """One pass over the steps; what it says is the result."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        self._began = time.monotonic()
        self.lines: list[str] = []
        self.problems: list[str] = []
        self.replaced: list[str] = []

    def run(self) -> None:
        self.replaced = stand_ins.provide(self._engine, self._say)
        environment_file = self._environment_file()
        self._containers = Containers(self._engine, PROJECT, environment_file)
        try:
            self._boot()
            self._drive(environment_file)
        finally:
            self._containers.compose("down", "-v", "--timeout", "60", check=False)
            self._say("down -v")

    def _boot(self) -> None:
        self._say(f"up --build --wait: {self._containers.up():.0f} s, all healthy")
        restarted = {name: count for name, count in self._containers.restarts().items() if count}
        self._check(not restarted, f"restarted: {restarted}")
        images = self._engine.docker("images", "-q", "--filter", "dangling=true").stdout.split()
        self._say(f"{len(self._containers.states())} services, {len(images)} dangling layers of the builds")

    def _drive(self, environment_file: Path) -> None:
        lines = environment_file.read_text().splitlines()
        variables = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        base = f"http://127.0.0.1:{variables['AIRFLOW_PORT']}"
        airflow = AirflowApi(base, "admin", variables["AIRFLOW_PASSWORD_ADMIN"])
        airflow.wait_for_dags(DAGS, timeout_s=300)
        walk = Walk(self._containers, airflow, self._say)
        steps: list[tuple[str, Callable[[], None]]] = [
            ("events through a killed Kafka", walk.events),
            ("measurement reports", walk.measurement_reports),
            ("logs of tasks", walk.logs),
            ("kept", walk.kept),
            ("the scheduler is killed", self._kill_the_scheduler),
            ("replay moves again", lambda: walk.replay_moves_again(MOVES_AGAIN_S)),
            ("s3, postgres, mongo and mariadb are killed", self._kill_the_stores),
            ("kept", walk.kept),
            ("restart", self._restart),
            ("kept", walk.kept),
            ("down and up", self._down_and_up),
            ("one more load", walk.more_events),
            ("drained", walk.drained),
            ("kept", walk.kept),
            ("zombies", self._no_zombies),
        ]
        for name, step in steps:
            self._say(f"-- {name}")
            try:
                step()
            except (RuntimeError, OSError) as error:
                self._check(False, f"{name}: {error}")
        self.problems += walk.problems

    def _kill_the_scheduler(self) -> None:
        self._containers.compose("kill", "airflow-scheduler")
        self._containers.compose("start", "airflow-scheduler")

    def _kill_the_stores(self) -> None:
        stores = ("s3", "postgres", "mongo", "mariadb")
        self._containers.compose("kill", *stores)
        self._containers.compose("start", *stores)
        self._say(f"healthy again after {self._containers.wait_until_healthy():.0f} s")

    def _restart(self) -> None:
        self._containers.compose("restart")
        self._say(f"healthy again after {self._containers.wait_until_healthy():.0f} s")

    def _down_and_up(self) -> None:
        self._containers.compose("down", "--timeout", "60")
        self._say(f"up again after {self._containers.up():.0f} s")

    def _no_zombies(self) -> None:
        for service in ("airflow-scheduler", "collector-a"):
            count = self._containers.zombies(service)
            self._check(count == 0, f"{count} zombies in {service}")

    def _environment_file(self) -> Path:
        target = self._folder / "variables.env"
        target.unlink(missing_ok=True)
        write_environment(REPOSITORY / ".env.example", target)
        self._check(target.stat().st_mode & 0o777 == 0o600, ".env can be read by others")
        lines = [line for line in target.read_text().splitlines() if line.split("=")[0] not in PORTS]
        target.write_text("\n".join([*lines, *(f"{name}={value}" for name, value in PORTS.items())]) + "\n")
        return target

    def _check(self, right: bool, problem: str) -> None:
        if not right:
            self._say(f"WRONG: {problem}")
            self.problems.append(problem)

    def _say(self, text: str) -> None:
        line = f"[{time.monotonic() - self._began:5.0f} s] {text}"
        self.lines.append(line)
        print(line, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="keep the engine's images here for the next time (a short path)")
    parser.add_argument("--publish", action="store_true", help="write docs/compose.md")
    options = parser.parse_args()
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="sw-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with Engine(folder) as engine:
            course = Course(engine, folder)
            course.run()
    except CannotRun as reason:
        print(f"skipped: {reason}")
        return CANNOT_RUN
    finally:
        if options.folder is None:
            with suppress(OSError):
                shutil.rmtree(folder)
    print("It holds." if not course.problems else "IT DOES NOT HOLD:\n  " + "\n  ".join(course.problems))
    if options.publish:
        publish(course)
    return 1 if course.problems else 0


def publish(course: Course) -> None:
    """docs/compose.md: what ran, when, on which commit, and which images were stand-ins."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.strip()
    rows = [f"| `{image}` | {stand_ins.DIFFERENCES[image.rsplit(':', 1)[0]]} |" for image in course.replaced]
    (REPOSITORY / "docs" / "compose.md").write_text(
        "\n".join(
            [
                "# The deployment in containers: the last run", "",
                f"`make test-compose`, {datetime.now(UTC).date()}, commit {commit}: "
                + ("it holds." if not course.problems else f"{len(course.problems)} problems."), "",
                "```", *course.lines, "```", "",
                *(["| stand-in for | what it does not show |", "|---|---|", *rows] if rows else ["No stand-ins."]),
                "",
            ]
        ),
        encoding="utf-8",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
