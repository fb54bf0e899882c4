"""Runs a function in a forked child that a failpoint kills: as cheap as a call, as final as SIGKILL."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable

from spool import failpoints


def run_until_killed(function: Callable[[], object], failpoint: str, at_pass: int = 1, action: str = "kill") -> bool:
    """True when the child was killed at the failpoint, False when it ended well; an exception there fails here."""
    child = os.fork()
    if child == 0:
        try:
            failpoints.arm(f"{failpoint}={action}@{at_pass}")
            function()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "the child failed; its traceback is above"
    return False
