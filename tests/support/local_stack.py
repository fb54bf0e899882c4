"""A stack of a test's own: `python -m stack` in its own folder, on its own hundred of ports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from stack import processes
from stack.place import OFFSETS, REPOSITORY, Place
from tests.support import ports

# Other private servers of tests are below and above.
BASES = range(21000, 22600, 100)
GRPC = 10000


class LocalStack:
    """Driven from outside, as a person drives it. `remove` ends whatever is left of it."""

    def __init__(self) -> None:
        # A short path: the folder holds unix sockets. Servers with users of their own must get in.
        folder = Path(tempfile.mkdtemp(prefix="st"))
        folder.chmod(0o755)
        self._ports = ports.reserve(BASES, (*OFFSETS.values(), GRPC))
        self.place = Place(folder.resolve(), self._ports)

    def environment(self, port_base: str | None = None) -> dict[str, str]:
        """Variables of a shell in which this stack is meant."""
        return {
            **os.environ,
            "STACK_DIR": str(self.place.folder),
            "STACK_PORT_BASE": str(self.place.port_base) if port_base is None else port_base,
            "PYTHONPATH": str(REPOSITORY),
        }

    def run(
        self, *arguments: str, module: str = "stack", timeout_s: float = 900, port_base: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`port_base` "": as in a shell where nobody has set it; None: that of this stack."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=self.environment(port_base), cwd=REPOSITORY,
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def ok(self, *arguments: str) -> str:
        run = self.run(*arguments)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def rows(self) -> dict[str, tuple[str, str, str]]:
        """name -> (state, pid, answers), as `status` shows it"""
        found = re.findall(r"^  ([\w-]+) +([A-Z]+) +(\d+|-) +(answers|-) ", self.ok("status"), re.MULTILINE)
        return {name: (state, pid, answers) for name, state, pid, answers in found}

    def pid(self, name: str) -> int:
        return int(self.rows()[name][1])

    def supervisor_pid(self) -> int:
        return int(self.place.path("run", "supervisord.pid").read_text())

    def remove(self) -> None:
        self.run("down")
        assert processes.leftovers(self.place) == []
        ports.release(self._ports)
        shutil.rmtree(self.place.folder)
