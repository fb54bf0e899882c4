"""
Finding what a stack left running.

Two marks: all descendants of its supervisor share a session, which is recorded; and they carry the stack's folder in
SPILLWAY_STACK. The second alone is not enough: sshd and Airflow write their titles over their environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

from stack.place import Place

VARIABLE = "SPILLWAY_STACK"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class _Process(NamedTuple):
    state: str
    parent: int
    group: int
    session: int
    started: int  # ticks since boot


def record_session(place: Place, supervisor_pid: int) -> None:
    """Remember the session of a supervisor that has just started."""
    process = _look(supervisor_pid)
    if process is not None:
        text = f"{_BOOT.read_text().strip()} {process.session} {process.started}\n"
        place.path("run", "session").write_text(text, encoding="ascii")


def leftovers(place: Place) -> list[int]:
    """Processes of this stack, whatever their parent is now. Only those that this user may inspect are seen."""
    wanted = f"{VARIABLE}={place.folder}".encode()
    pids = _in_session(place)
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = path.read_bytes().split(b"\0")
        except OSError:
            continue
        pid = int(path.parent.name)
        if wanted in variables and pid not in pids:
            pids.append(pid)
    pids += _postgres(place, pids)
    return [pid for pid in pids if pid != os.getpid() and is_alive(pid)]


def _in_session(place: Place) -> list[int]:
    """
    A session's number is not given away while it has members, so they are ours unless the number was given away
    after all of ours had gone: then its leader, or the member, does not fit the recorded time.
    """
    try:
        boot, session_text, started_text = place.path("run", "session").read_text(encoding="ascii").split()
        session, started = int(session_text), int(started_text)
    except (OSError, ValueError):
        return []
    leader = _look(session)
    if boot != _BOOT.read_text().strip() or (leader is not None and leader.started > started):
        return []
    return [pid for pid, process in _all().items() if process.session == session and process.started >= started]


def groups_below(ancestor: int) -> list[int]:
    """Process groups that descendants made for themselves: a signal to their ancestor's does not reach them."""
    processes = _all()
    below = {ancestor}
    while more := {pid for pid, process in processes.items() if process.parent in below} - below:
        below |= more
    return [pid for pid in below - {ancestor} if processes[pid].group == pid]


def signal_groups(groups: list[int], number: int) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)


def _all() -> dict[int, _Process]:
    looked = [(int(path.name), _look(int(path.name))) for path in Path("/proc").glob("[0-9]*")]
    return {pid: process for pid, process in looked if process is not None}


def _look(pid: int) -> _Process | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    state, parent, group, session = fields[:4]
    return _Process(state, int(parent), int(group), int(session), started=int(fields[19]))


def _postgres(place: Place, pids: list[int]) -> list[int]:
    """PostgreSQL writes over its environment; its pid file says who it is."""
    try:
        pid = int(place.path("postgres", "data", "postmaster.pid").read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return []
    return [pid] if str(place.path("postgres")).encode() in command and pid not in pids else []


def end(place: Place, wait_s: float = 20.0) -> int:
    """End all leftovers, politely first. Returns how many there were."""
    pids = leftovers(place)
    postgres = _postgres(place, [])
    for pid in pids:
        # SIGTERM lets PostgreSQL wait for its clients.
        _send(pid, signal.SIGINT if pid in postgres else signal.SIGTERM)
    deadline = time.monotonic() + wait_s
    while (alive := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in {*alive, *leftovers(place)}:
        _send(pid, signal.SIGKILL)
    return len(pids)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def is_alive(pid: int) -> bool:
    process = _look(pid)
    return process is not None and process.state != "Z"
