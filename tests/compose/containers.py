"""`docker compose` on the deployment's file, as it is: one project, with its own name, ports and .env."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stack.place import REPOSITORY
from tests.compose.engine import Engine

FILE = REPOSITORY / "docker-compose.airflow.yml"


class Containers:
    """The project `name` with the variables of `environment_file`."""

    def __init__(self, engine: Engine, name: str, environment_file: Path) -> None:
        self._engine = engine
        self._command = ["docker", "compose", "-p", name, "--env-file", str(environment_file), "-f", str(FILE)]
        self.name = name

    def compose(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        """One call; its standard output. RuntimeError with what it printed when it fails."""
        run = subprocess.run(
            [*self._command, *arguments], input=text, capture_output=True, text=True, check=False,
            env=dict(self._engine.environment), cwd=REPOSITORY,
        )  # fmt: skip
        if check and run.returncode:
            raise RuntimeError(f"docker compose {' '.join(arguments)}: {run.stdout[-2500:]}{run.stderr[-2500:]}")
        return run.stdout

    def python(self, service: str, program: str) -> Any:
        """Run a program in a container; the JSON of the last line it prints."""
        return json.loads(self.compose("exec", "-T", service, "python", "-", text=program).splitlines()[-1])

    def spool(self, *arguments: str) -> list[dict[str, Any]]:
        """A command of the engine in the shipper's container, as rows."""
        lines = self.compose("exec", "-T", "shipper", "python", "-m", "spool", *arguments, "--json", check=False)
        return [json.loads(line) for line in lines.splitlines() if line.startswith("{")]

    def states(self) -> Mapping[str, tuple[str, str]]:
        """Service to (state, health) of each container, ended ones too."""
        rows = [json.loads(line) for line in self.compose("ps", "-a", "--format", "json").splitlines()]
        return {row["Service"]: (row["State"], row["Health"]) for row in rows}

    def restarts(self) -> dict[str, int]:
        """How often the engine restarted each container."""
        ids = self.compose("ps", "-a", "-q").split()
        rows = self._engine.docker("inspect", "-f", "{{.Name}} {{.RestartCount}}", *ids).stdout.split("\n")
        return {row.split()[0]: int(row.split()[1]) for row in rows if row}

    def zombies(self, service: str) -> int:
        """Processes of a container that ended and that nobody waited for."""
        lines = self.compose("exec", "-T", service, "sh", "-c", "cat /proc/[0-9]*/stat 2> /dev/null || true")
        return sum(line.rsplit(")", 1)[1].split()[0] == "Z" for line in lines.splitlines() if ")" in line)

    def up(self) -> float:
        """Until all are healthy; the seconds it took."""
        began = time.monotonic()
        try:
            self.compose("up", "--build", "--wait", "--quiet-pull")
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self._logs_of_the_ended()}") from error
        return time.monotonic() - began

    def _logs_of_the_ended(self) -> str:
        ended = [name for name, (state, _) in self.states().items() if state == "exited"]
        return self.compose("logs", "--no-color", "--tail", "40", *ended, check=False) if ended else ""

    def wait_until_healthy(self, timeout_s: float = 600) -> float:
        """After a restart or a kill; the seconds it took. RuntimeError names the services that are not."""
        began = time.monotonic()
        while sick := {
            name: state
            for name, state in self.states().items()
            if name != "airflow-init" and state != ("running", "healthy")
        }:
            if time.monotonic() - began > timeout_s:
                raise RuntimeError(f"not healthy: {sick}")
            time.sleep(2)
        return time.monotonic() - began
