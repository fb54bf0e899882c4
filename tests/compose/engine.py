"""
A Docker engine in a folder of its own, without systemd: started where none runs, ended with everything it held.

Needs root, Debian's `docker.io` (dockerd, containerd, runc) and a kernel with overlay, bridge, veth and nat. Compose v2
is built from its Go module once and kept in the cache of the tools.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from stack.place import REPOSITORY

COMPOSE_VERSION = "v2.40.3"
COMPOSE_MODULE = "github.com/docker/compose/v2"
PACKAGES = ("docker.io", "debootstrap", "npm", "maven")
GO = "go (1.24 or newer)"
STARTS_S, ENDS_S = 60.0, 180.0
TOOLS = REPOSITORY / ".tools" / "compose"


class CannotRun(Exception):
    """This machine cannot run containers; the message says what is missing."""


def missing() -> str:
    """Why no engine can be started here; empty when it can."""
    if os.geteuid() != 0:
        return "not root: the engine needs bridges and mounts"
    absent = [name for name in ("docker", "dockerd", "debootstrap", "go", "npm", "mvn") if not shutil.which(name)]
    if absent:
        return f"{', '.join(absent)} not installed: apt-get install {' '.join(PACKAGES)}, and {GO}"
    return ""


class Engine:
    """`with Engine(folder)`: dockerd with all its data below `folder`. Clients get `environment`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        client = str(self._folder / "client")
        return {**os.environ, "DOCKER_HOST": f"unix://{self._folder}/docker.sock", "DOCKER_CONFIG": client}

    def __enter__(self) -> Engine:
        if reason := missing():
            raise CannotRun(reason)
        plugins = self._folder / "client" / "cli-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        shutil.copy2(compose_plugin(), plugins / "docker-compose")
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [
                "dockerd", "--data-root", self._folder / "data", "--exec-root", self._folder / "exec",
                "--pidfile", self._folder / "pid", "-H", f"unix://{self._folder}/docker.sock",
            ],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + STARTS_S
        while self.docker("version", check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = (self._folder / "log").read_text(errors="replace")[-1500:]
                self.__exit__()
                raise CannotRun(f"the engine does not start: {tail}")
            time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(ENDS_S)
        finally:
            # The namespace stays mounted otherwise, and the folder could not be removed.
            subprocess.run(["umount", self._folder / "exec" / "netns" / "default"], check=False, capture_output=True)

    def docker(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One call of the client; CalledProcessError carries its output."""
        return subprocess.run(
            ["docker", *arguments], env=self.environment, capture_output=True, text=True, check=check
        )  # fmt: skip


def compose_plugin() -> Path:
    """The plugin, built once. `go install` refuses exclude directives: a module of our own repeats them."""
    target = TOOLS / f"docker-compose-{COMPOSE_VERSION}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _go(folder, "mod", "init", "tool")
        downloaded = _go(folder, "mod", "download", "-json", f"{COMPOSE_MODULE}@{COMPOSE_VERSION}")
        module = next(line.split('"')[3] for line in downloaded.splitlines() if '"GoMod"' in line)
        excludes = [line for line in Path(module).read_text().splitlines() if line.startswith("exclude ")]
        with (folder / "go.mod").open("a") as file:
            file.write("\n".join(["", *excludes, *_exclude_blocks(Path(module).read_text())]) + "\n")
        (folder / "tool.go").write_text(f'//go:build tools\n\npackage tool\n\nimport _ "{COMPOSE_MODULE}/cmd"\n')
        _go(folder, "get", f"{COMPOSE_MODULE}/cmd@{COMPOSE_VERSION}")
        flags = f"-s -w -X {COMPOSE_MODULE}/internal.Version={COMPOSE_VERSION}"
        _go(folder, "build", "-trimpath", "-ldflags", flags, "-o", str(folder / "plugin"), f"{COMPOSE_MODULE}/cmd")
        shutil.copy2(folder / "plugin", target)
    return target


def _exclude_blocks(text: str) -> list[str]:
    return [f"exclude ({block.split(')')[0]})" for block in text.split("exclude (")[1:]]


def _go(folder: Path, *arguments: str) -> str:
    run = subprocess.run(
        ["nice", "go", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "GOFLAGS": "-modcacherw"},
    )  # fmt: skip
    if run.returncode:
        raise CannotRun(f"go {arguments[0]}: {run.stderr[-1500:]}")
    return run.stdout
