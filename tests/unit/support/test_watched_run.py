"""Nothing of a test run outlives it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stack.place import REPOSITORY
from stack.processes import is_alive
from tests.support import waiting

# A child in a session of its own; and a daemon whose own child has lost parent and environment, but not the session.
RUN = """
import os, subprocess, sys
from tests.support.watched_run import start_run
run = start_run()
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
script = "(env -i sleep 1000 >&- & echo $!); exec env -i TMPDIR=$TMPDIR sleep 1000"
daemon = subprocess.Popen(["setsid", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
(run.folder / "file").write_text("x")
print(run.folder, child.pid, daemon.pid, daemon.stdout.readline().strip(), flush=True)
sys.stdin.read()
if sys.argv[1] == "end":
    run.end()
    print(os.path.exists(run.folder), flush=True)
"""


@contextmanager
def running(how: str) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if name not in ("SPILLWAY_TEST_RUN", "TMPDIR")}
    with subprocess.Popen(
        [sys.executable, "-c", RUN, how],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**environment, "PYTHONPATH": str(REPOSITORY)},
    ) as run:  # fmt: skip
        try:
            yield run
        finally:
            run.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_leaves_no_process_and_no_folder(number: int) -> None:
    with running("wait") as run:
        assert run.stdout is not None
        folder, *pids = run.stdout.readline().split()
        assert all(is_alive(int(pid)) for pid in pids)
        run.send_signal(number)
        run.wait()
    waiting.until(lambda: not any(is_alive(int(pid)) for pid in pids), "all of the run have ended")
    waiting.until(lambda: not Path(folder).exists(), "the folder is gone")


def test_a_run_that_ends_well_has_left_nothing_when_it_says_so() -> None:
    with running("end") as run:
        assert run.stdout is not None
        _, *pids = run.stdout.readline().split()
        output, _ = run.communicate("go on")
    assert output == "False\n"
    assert not any(is_alive(int(pid)) for pid in pids)
