"""
What a producer writes, to be read instead: a thread lets it write into a pipe.

So its reader can see whether there is anything at all before it asks a database to take it.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from include.warehouse.target.port import Produce, Write

# The kernel's limit for users; the default of 64 KiB makes two threads wait for each other sixteen times as often.
_PIPE_BYTES = 1024 * 1024
_PIECE_BYTES = 256 * 1024


class ProducerStopped(Exception):
    """The bytes have an end because their producer failed; `pulled` raises what it failed with."""


class Pulled:
    """
    is_empty   whether the producer wrote nothing, which is known when its first bytes or its end have come

    An empty one may also be a producer that failed: `pulled` raises its error at the end of the block.
    """

    def __init__(self, source: BinaryIO, has_failed: Callable[[], bool]) -> None:
        self._source, self._has_failed = source, has_failed
        self._first = source.read(1)
        self.is_empty = not self._first

    def copy(self, write: Write) -> None:
        """Write all bytes; ProducerStopped, after what there is, where they are not all."""
        write(self._first)
        while piece := self._source.read(_PIECE_BYTES):
            write(piece)
        if self._has_failed():
            raise ProducerStopped


@contextmanager
def pulled(produce: Produce) -> Iterator[Pulled]:
    """
    What `produce` writes. If it raises, so does this block at its end, in place of the block's own error.

    A reader that stops early ends the producer by a broken pipe, which is not the error.
    """
    read_end, write_end = os.pipe()
    errors: list[BaseException] = []
    thread = threading.Thread(target=_produce_into, args=(write_end, produce, errors), daemon=True)
    with os.fdopen(read_end, "rb", buffering=_PIECE_BYTES) as source:
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        thread.start()

        def has_failed() -> bool:
            # The pipe's end is the thread's last act but one.
            thread.join()
            return bool(errors)

        try:
            yield Pulled(source, has_failed)
        finally:
            source.close()
            thread.join()
            if errors and not isinstance(errors[0], BrokenPipeError):
                raise errors[0]


def _produce_into(write_end: int, produce: Produce, errors: list[BaseException]) -> None:
    try:
        with os.fdopen(write_end, "wb", buffering=_PIECE_BYTES) as pipe:
            produce(pipe.write)
    except BaseException as error:  # noqa: BLE001  raised where the pipe is read
        errors.append(error)
