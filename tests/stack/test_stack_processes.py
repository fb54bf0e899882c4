"""Finding processes by what they are, not by what they say of themselves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stack import processes
from stack.place import Place
from tests.support.waiting import until

FORKS = """
import os, subprocess, sys
inner = subprocess.Popen(["sleep", "60"], start_new_session=False, process_group=0, env={})
outer = subprocess.Popen(["sleep", "60"], env={})
print(os.getpid(), inner.pid, outer.pid, flush=True)
inner.wait()
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "run").mkdir()
    return Place(tmp_path, 21000)


@pytest.fixture
def family():
    """A session whose leader has two children, one in a process group of its own; none carries the stack's variable."""
    leader = subprocess.Popen([sys.executable, "-c", FORKS], stdout=subprocess.PIPE, start_new_session=True, text=True)
    pids = [int(pid) for pid in leader.stdout.readline().split()]
    yield pids
    for pid in pids:
        if processes.is_alive(pid):
            os.kill(pid, signal.SIGKILL)
    leader.wait()
    leader.stdout.close()


def test_members_of_the_recorded_session_are_found_when_its_leader_has_gone(place, family):
    leader, inner, outer = family
    processes.record_session(place, leader)
    assert set(processes.leftovers(place)) == {leader, inner, outer}
    os.kill(leader, signal.SIGKILL)
    until(lambda: not processes.is_alive(leader), "the leader has ended")
    assert set(processes.leftovers(place)) == {inner, outer}
    assert processes.end(place) == 2
    assert processes.leftovers(place) == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda boot, session, started: ("another-boot", session, started), id="before a reboot"),
        pytest.param(lambda boot, session, started: (boot, session, str(int(started) - 1)), id="number given again"),
    ],
)
def test_processes_that_only_have_the_number_of_our_session_are_left_alone(place, family, change):
    processes.record_session(place, family[0])
    record = place.path("run", "session")
    record.write_text(" ".join(change(*record.read_text().split())))
    assert processes.leftovers(place) == []


@pytest.mark.parametrize("text", ["", "x y z", "1 2"])
def test_a_damaged_record_finds_nobody(place, text):
    place.path("run", "session").write_text(text)
    assert processes.leftovers(place) == []


def test_the_variable_finds_what_left_the_session(place):
    away = subprocess.Popen(["sleep", "60"], env={processes.VARIABLE: str(place.folder)}, start_new_session=True)
    other = subprocess.Popen(["sleep", "60"], env={processes.VARIABLE: f"{place.folder}2"}, start_new_session=True)
    try:
        assert processes.leftovers(place) == [away.pid]
    finally:
        for process in (away, other):
            process.kill()
            process.wait()


def test_groups_below_are_those_that_a_signal_to_the_ancestor_misses(family):
    leader, inner, _outer = family
    assert processes.groups_below(leader) == [inner]
    processes.signal_groups([inner], signal.SIGKILL)
    until(lambda: not Path(f"/proc/{inner}").exists(), "the inner one has ended")
    processes.signal_groups([inner], signal.SIGKILL)  # nobody there: nothing happens
