"""A command that is interrupted stops the stack that it has started itself; one that ran before keeps running."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Never

from stack.place import Place
from stack.supervision import Supervisor

# Ctrl-C, the end of a terminal, and a polite kill.
SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


class Interrupted(BaseException):
    """Raised where the command is at work; no `except Exception` holds it up."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextlib.contextmanager
def stopping_what_was_started(place: Place, down: Callable[[Place], None]) -> Iterator[None]:
    """
    Around all of the command's work. Raises Interrupted after the stack has stopped.

    SIGKILL cannot be handled; `make down` finds and ends what it leaves.
    """
    ran_before = Supervisor(place).is_running()
    for number in SIGNALS:
        signal.signal(number, _raise_interrupted)
    try:
        yield
    except Interrupted as interruption:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C would leave half a stack
        if ran_before:
            print(f"\ninterrupted by {interruption}; the stack ran before and keeps running", flush=True)
        else:
            print(f"\ninterrupted by {interruption}; stopping the stack that was started for it", flush=True)
            down(place)
        raise


def _raise_interrupted(number: int, _frame: FrameType | None) -> Never:
    raise Interrupted(number)
