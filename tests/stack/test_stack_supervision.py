"""A service that is killed stays down, also where the supervisor was quicker to start it again."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from stack import processes
from stack.place import Place
from stack.service import Service
from stack.supervision import Supervisor
from tests.support.waiting import until

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(3600)"


@pytest.fixture
def place():
    # A short path: the supervisor's socket is in it.
    with tempfile.TemporaryDirectory(prefix="st") as folder:
        yield Place(Path(folder), 1)


@pytest.fixture
def supervisor(place):
    supervisor = Supervisor(place)
    supervisor.start([Service("server", [sys.executable, "-c", DEAF], ready=lambda: True, stop_wait_s=3600)])
    yield supervisor
    supervisor.kill_process("server")
    supervisor.shutdown()


def test_what_was_started_again_between_kill_and_stop_is_killed_too(supervisor, place, monkeypatch):
    def wait_until_it_ignores_sigterm(starts: int) -> None:
        log = place.path("log", "server.log")
        until(lambda: log.exists() and log.read_text().count("deaf") == starts, f"start {starts}")
        until(lambda: supervisor.state("server")["statename"] == "RUNNING", "the supervisor takes it for started")

    kills = []
    signal_groups = processes.signal_groups

    def killed_and_started_again(*arguments) -> None:
        signal_groups(*arguments)
        kills.append(arguments)
        if len(kills) == 1:
            wait_until_it_ignores_sigterm(2)

    supervisor.start_process("server")
    wait_until_it_ignores_sigterm(1)
    monkeypatch.setattr(processes, "signal_groups", killed_and_started_again)
    supervisor.kill_process("server")
    assert supervisor.state("server")["statename"] == "STOPPED"
    assert len(kills) > 1
