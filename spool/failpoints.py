"""
Named places where a test may kill, stop or fail this process.

`SPOOL_FAILPOINTS="log.append.written=kill@3,archive.put.done=stop"`: at the third pass of the first
place the process gets SIGKILL, at the first pass of the second SIGSTOP. `=eio`, `=enospc` raise that OSError,
`=exit` ends it without cleaning up. In production the variable is unset and a pass costs one dict look-up.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import NamedTuple

VARIABLE = "SPOOL_FAILPOINTS"
ACTIONS = ("kill", "stop", "eio", "enospc", "exit")

# Every failpoint of the engine, in the order an event meets them; a test demands that each one is passed.
NAMES: list[str] = []


class _Armed(NamedTuple):
    action: str
    at_pass: int


def declare(*names: str) -> None:
    """Register the failpoints of a module. Called once, at import."""
    NAMES.extend(names)


def arm(text: str) -> None:
    """Replace what is armed by `text` (the syntax above); an empty text disarms all."""
    _armed.clear()
    _passes.clear()
    for item in filter(None, text.split(",")):
        name, _, action = item.partition("=")
        action, _, at_pass = action.partition("@")
        if action not in ACTIONS:
            raise ValueError(f"{VARIABLE}: unknown action {action!r} in {item!r}; known are {', '.join(ACTIONS)}")
        _armed[name] = _Armed(action, int(at_pass or 1))


def reach(name: str) -> None:
    """Say that the process is at failpoint `name`."""
    armed = _armed.get(name)
    if armed is None:
        return
    _passes[name] = _passes.get(name, 0) + 1
    if _passes[name] == armed.at_pass:
        _act(armed.action)


def _act(action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "exit":
        os._exit(70)
    else:
        number = errno.EIO if action == "eio" else errno.ENOSPC
        raise OSError(number, os.strerror(number))


_armed: dict[str, _Armed] = {}
_passes: dict[str, int] = {}
arm(os.environ.get(VARIABLE, ""))
