"""
Runs one command in a process group of its own: bounded in time and output, and never left behind.

Whatever ends the call early (deadline, cancelled task, Ctrl-C) ends the whole group; if this process is killed
outright, the kernel ends the child (setpriv --pdeathsig) and its children lose their pipes.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from spool.errors import TerminalError, TransientError

OUTPUT_BYTES_MAX = 64 * 1024 * 1024
ERRORS_BYTES_KEPT = 16 * 1024
ENDING_S = 5.0
_CHUNK_BYTES = 65536


class CommandTimedOut(TransientError):
    """The command did not end in time; its process group was killed."""


class OutputTooLarge(TerminalError):
    """The command printed more than any right answer is long."""


class Ended(NamedTuple):
    """`errors` is the end of standard error."""

    code: int
    output: str
    errors: str


def run(
    command: Sequence[str],
    *,
    timeout_s: float,
    stdin: bytes = b"",
    on_line: Callable[[str], None] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Ended:
    """
    Run `command` without a shell, in `folder` (ours), and with an almost empty environment: PATH, LC_ALL and
    `environment`.

    With `on_line`, each line of output (a carriage return also ends one) goes there and is not kept.
    """
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        process = subprocess.Popen(
            [*_dies_with_us(), *command],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
    reader = _Reader(process, on_line)
    try:
        reader.read_all(time.monotonic() + timeout_s, command[0])
        code = process.wait(timeout=ENDING_S)
    except BaseException:
        _end_group(process)
        raise
    finally:
        reader.close()
    return Ended(code, reader.output.decode("utf-8", "replace"), reader.errors.decode("utf-8", "replace"))


def _dies_with_us() -> list[str]:
    return ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=ENDING_S)
        except ProcessLookupError:
            return  # the group is empty; a leader that is gone may leave others, so SIGKILL is sent in any case
        except subprocess.TimeoutExpired:
            continue


class _Reader:
    def __init__(self, process: subprocess.Popen[bytes], on_line: Callable[[str], None] | None) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.output, self.errors = bytearray(), bytearray()
        self._on_line, self._line = on_line, b""
        self._selector = selectors.DefaultSelector()
        self._streams = (process.stdout, process.stderr)
        self._selector.register(process.stdout, selectors.EVENT_READ, self._take_output)
        self._selector.register(process.stderr, selectors.EVENT_READ, self._take_errors)

    def read_all(self, until: float, name: str) -> None:
        while self._selector.get_map():
            remaining_s = until - time.monotonic()
            if remaining_s <= 0:
                raise CommandTimedOut(
                    f"{name} did not end in time", hint="raise its time limit, or look at what it waits for"
                )
            for key, _ in self._selector.select(remaining_s):
                chunk = os.read(key.fd, _CHUNK_BYTES)
                if chunk:
                    key.data(chunk)
                else:
                    self._selector.unregister(key.fileobj)

    def close(self) -> None:
        self._selector.close()
        for stream in self._streams:
            stream.close()

    def _take_output(self, chunk: bytes) -> None:
        if self._on_line is None:
            self.output += chunk
            if len(self.output) > OUTPUT_BYTES_MAX:
                raise OutputTooLarge(f"more than {OUTPUT_BYTES_MAX} bytes of output")
            return
        *lines, self._line = (self._line + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._on_line(line.decode("utf-8", "replace"))
        self._line = self._line[-_CHUNK_BYTES:]

    def _take_errors(self, chunk: bytes) -> None:
        self.errors += chunk
        del self.errors[:-ERRORS_BYTES_KEPT]
