"""Finding what a stack left running: every process of a stack carries its folder in SPILLWAY_STACK."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from stack.place import Place

VARIABLE = "SPILLWAY_STACK"


def leftovers(place: Place) -> list[int]:
    """Processes of this stack, whoever their parent is now. Only those we may look at are seen."""
    wanted = f"{VARIABLE}={place.folder}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = path.read_bytes().split(b"\0")
        except OSError:
            continue
        pid = int(path.parent.name)
        if wanted in variables and pid != os.getpid():
            found.append(pid)
    return [*found, *_postgres(place, found)]


def _postgres(place: Place, found: list[int]) -> list[int]:
    """PostgreSQL writes over its environment; its pid file says who it is."""
    try:
        pid = int(place.path("postgres", "data", "postmaster.pid").read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return []
    return [pid] if str(place.path("postgres")).encode() in command and pid not in found else []


def end(place: Place, wait_s: float = 20.0) -> int:
    """End all leftovers, politely first. Returns how many there were."""
    pids = leftovers(place)
    for pid in pids:
        _send(pid, signal.SIGTERM)
    deadline = time.monotonic() + wait_s
    while (left := [pid for pid in pids if _is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in {*left, *leftovers(place)}:
        _send(pid, signal.SIGKILL)
    return len(pids)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
