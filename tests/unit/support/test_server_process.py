"""Servers of tests end with the process that started them, and their start is reported or refused, never guessed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stack.place import REPOSITORY
from stack.processes import is_alive
from tests.support import waiting
from tests.support.server_process import end_server, start_server, wait_until_ready

STARTS_A_SERVER = """
import sys, time
from pathlib import Path
from tests.support.server_process import start_server
process = start_server(["sleep", "1000"], Path(sys.argv[1]), user=sys.argv[2])
print(process.pid, flush=True)
time.sleep(1000)
"""


# mariadbd runs as a user of its own when root starts it.
OTHER_USERS = ["nobody"] if os.getuid() == 0 else []


@pytest.mark.parametrize("user", ["", *OTHER_USERS])
def test_a_server_ends_when_its_parent_is_killed(tmp_path: Path, user: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_A_SERVER, tmp_path / "log", user],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as parent:  # fmt: skip
        try:
            assert parent.stdout is not None
            server = int(parent.stdout.readline())
            waiting.until(lambda: Path(f"/proc/{server}/comm").read_text() == "sleep\n", "the server runs")
        finally:
            parent.kill()
    waiting.until(lambda: not is_alive(server), "the server has ended")


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start_server(["sh", "-c", "echo no such option; exit 3"], log)
    with pytest.raises(RuntimeError, match="does not start: no such option"):
        wait_until_ready(process, lambda: False, log)
    assert process.wait() == 3


def test_a_server_that_ignores_the_signal_is_ended_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start_server(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], log)
    waiting.until(lambda: b"ready" in log.read_bytes(), "the trap is set")
    end_server(process, patience_s=0.1)
    assert process.poll() == -signal.SIGKILL
