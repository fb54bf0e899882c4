"""Servers of tests: started as children that die with their parent, and waited for until they answer."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Generous: a busy machine needs ten times as long as a quiet one, and no test waits this long for nothing.
READY_S = 240.0
END_S = 60.0


def start_server(
    command: Sequence[str | Path], log: Path, *, user: str = "", env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """
    Start `command`, its output appended to `log`; SIGKILL follows when this thread ends.

    user: the server's own, where a child that changed its user itself would lose the tie to its parent.
    """
    switch = [f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--init-groups"] if user else []
    with log.open("ab") as output:
        return subprocess.Popen(
            ["setpriv", *switch, "--pdeathsig", "KILL", "--", *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=None if env is None else dict(env),
            cwd=log.parent,
            start_new_session=True,
        )


def wait_until_ready(process: subprocess.Popen[bytes], is_ready: Callable[[], bool], log: Path) -> None:
    """Return when `is_ready`; RuntimeError with the end of the log when the server ends or does not answer."""
    deadline = time.monotonic() + READY_S
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            text = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""
            raise RuntimeError(f"{process.args!r} does not start: {text}")
        time.sleep(0.05)


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on this port of the loopback interface."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


def end_server(process: subprocess.Popen[bytes], number: int = signal.SIGTERM, *, patience_s: float = END_S) -> None:
    """Send the signal and wait; SIGKILL to the whole group for a server that does not end by itself."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
