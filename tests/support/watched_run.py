"""
One run of the tests: where its folders are, and that nothing of it outlives it.

    run = start_run()      once, before the first worker; the variables reach every process that the run starts
    run.end()              its folder is removed and its watcher leaves

Folders are in memory if there is room: the tests wait for thousands of fsyncs, and none of them needs a disk to be
right, since processes are killed and power loss is simulated.

The watcher is a process of its own, because a killed process cannot clean up: when the run ends, however it ends,
every process that carries the run's mark in its environment, or descends from one, or is in a session of one, is
killed, and the folder is removed. Servers that write their titles over their environment are found by their session.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from stack.place import REPOSITORY

VARIABLE = "SPILLWAY_TEST_RUN"
# The stack drops what it does not know from the environment of its services, and keeps this.
MARKS = (VARIABLE, "TMPDIR")
MEMORY = Path("/dev/shm")
# What the whole suite has been seen to hold at once is below 2 GB.
ROOM_BYTES = 6 << 30


class WatchedRun(NamedTuple):
    folder: Path
    watcher: subprocess.Popen[bytes]

    def end(self) -> None:
        """Everything that the run has left is ended and removed when this returns."""
        assert self.watcher.stdin is not None
        self.watcher.stdin.close()
        self.watcher.wait()


def start_run() -> WatchedRun:
    folder = Path(tempfile.mkdtemp(prefix="sw", dir=MEMORY if _has_room(MEMORY) else None))
    # Servers with users of their own must get in.
    folder.chmod(0o755)
    watcher = subprocess.Popen(
        [sys.executable, "-m", "tests.support.watched_run", folder],
        stdin=subprocess.PIPE, cwd=REPOSITORY, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    os.environ |= dict.fromkeys(MARKS, str(folder))
    tempfile.tempdir = None
    return WatchedRun(folder, watcher)


def _has_room(folder: Path) -> bool:
    """Whether programs may be started there, and both the file system and the machine have the room."""
    if not os.access(folder, os.W_OK):
        return False
    state = os.statvfs(folder)
    memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(memory["MemAvailable"].split()[0]) << 10
    return not state.f_flag & os.ST_NOEXEC and min(state.f_bavail * state.f_frsize, available) > ROOM_BYTES


class _Process(NamedTuple):
    pid: int
    parent: int
    session: int


def members(folder: str) -> set[int]:
    """Processes of the run with this folder: marked in their environment, or below these, or in a session of theirs."""
    processes = _processes()
    marks = {f"{name}={folder}".encode() for name in MARKS}
    found = {process.pid for process in processes if not marks.isdisjoint(_environment(process.pid))}
    while more := {p.pid for p in processes if p.parent in found or p.session in found} - found:
        found |= more
    return found


def _processes() -> list[_Process]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, _group, session = path.read_text(errors="replace").rsplit(")", 1)[1].split()[:4]
        except OSError:
            continue
        if state != "Z":
            found.append(_Process(int(path.parent.name), int(parent), int(session)))
    return found


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def main() -> None:
    """Wait for the end of standard input, which is the end of the run; then leave nothing of it."""
    # A Ctrl-C in the terminal is not for the watcher, which is in a session of its own.
    folder = sys.argv[1]
    sys.stdin.buffer.read()
    while left := members(folder):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
