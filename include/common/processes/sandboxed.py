"""
Starts a Python function of ours in a process that can do nothing but compute: bubblewrap around it, limits upon it.

It sees the folders it is given, the Python installation and nothing else: no network, no /proc, no /etc, an empty
environment, no other process, no privileges, no new sockets. Limits of memory, processor time, file size and open
files are set by us before it starts. Where bubblewrap or user namespaces are missing nothing is started.

    we ── one JSON line ──> stdin │ sandbox │ stdout ── one JSON line ──> we
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from include.common.processes.socket_filter import filter_program
from spool.errors import TerminalError

READY_S = 30.0
LINE_BYTES_MAX = 64 * 1024 * 1024
_ERRORS_BYTES_KEPT = 2000
_ENDING_S = 5.0


class SandboxUnavailable(TerminalError):
    """The sandbox cannot be built on this machine; nothing was read."""


class ChildEnded(Exception):
    """The process died, or closed its output, before it answered."""


class ChildTimedOut(Exception):
    """No line came in time; the process was killed."""


class Shown(NamedTuple):
    """A file or folder that the process sees at `target`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Limits:
    """`memory_bytes` is address space: more than resident memory, and what malloc refuses to go beyond."""

    memory_bytes: int = 512 * 1024 * 1024
    processor_s: int = 3600
    file_bytes: int = 16 * 1024**3
    open_files: int = 64


def sandbox_command(function: str, packages: Mapping[str, Path], shown: Sequence[Shown], filter_fd: int) -> list[str]:
    """
    `bwrap ... python -c ...`: run `module:function` with nothing importable but the standard library and `packages`.

    packages: dotted name to the folder of the package, such as {"yaml": .../site-packages/yaml}.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxUnavailable("bwrap is not installed", hint="apt-get install bubblewrap")
    command = [bwrap, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv"]
    command += ["--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]
    for item in (*_python(), *(Shown(folder, _place(name)) for name, folder in packages.items()), *shown):
        command += ["--bind" if item.writable else "--ro-bind", str(item.source), item.target]
    for folder in ("lib", "lib64"):
        if Path("/", folder).is_symlink():
            command += ["--symlink", f"usr/{folder}", f"/{folder}"]
        elif Path("/", folder).exists():
            command += ["--ro-bind", f"/{folder}", f"/{folder}"]
    command += ["--chdir", "/", "--remount-ro", "/", "--seccomp", str(filter_fd), "--"]
    module, _, name = function.partition(":")
    start = f"import sys; sys.path.insert(0, '/packages'); from {module} import {name}; sys.exit({name}())"
    # -I: no environment, no user packages; -S: no site-packages; -B: nothing is written beside the sources.
    return [*command, _interpreter(), "-I", "-S", "-B", "-X", "utf8", "-c", start]


def limit_command(limits: Limits) -> list[str]:
    """`prlimit ...`, from util-linux: the limits hold before the first instruction of the process."""
    return [
        "prlimit",
        f"--as={limits.memory_bytes}",
        f"--cpu={limits.processor_s}",
        f"--fsize={limits.file_bytes}",
        f"--nofile={limits.open_files}",
        "--core=0",
        "--",
    ]


class LimitedProcess:
    """The started process; `ask` and `next_line` talk to it. Leave it through `with`: it ends then, or is killed."""

    def __init__(
        self, function: str, packages: Mapping[str, Path], shown: Sequence[Shown], limits: Limits | None = None
    ) -> None:
        self._rest = b""
        with tempfile.TemporaryFile() as program:
            try:
                program.write(filter_program())
            except KeyError as error:
                raise SandboxUnavailable(f"no system call filter is known for {error}", hint="add it") from None
            program.seek(0)
            command = sandbox_command(function, packages, shown, program.fileno())
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
            self._process = subprocess.Popen(
                [*limit_command(limits or Limits()), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={},
                pass_fds=[program.fileno()],
            )
        assert self._process.stdout is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self._await_ready()

    @property
    def pid(self) -> int:
        """Of the outermost process, ours to wait for."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Of the ended process, as subprocess gives it; None while it runs."""
        return self._process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):  # closing flushes, and perhaps nobody reads any more
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_S if error is None else 0)
        self.kill()
        self._selector.close()
        self._process.stdout.close()
        self._errors.close()

    def ask(self, question: Mapping[str, object]) -> None:
        """Send one line. ChildEnded where nobody reads it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise ChildEnded from None

    def next_line(self, timeout_s: float) -> dict[str, Any]:
        """The next line it prints, as JSON. ChildEnded, ChildTimedOut; in both cases it is dead afterwards."""
        until = time.monotonic() + timeout_s
        while b"\n" not in self._rest:
            if not self._selector.select(max(0.0, until - time.monotonic())):
                self.kill()
                raise ChildTimedOut
            assert self._process.stdout is not None
            chunk = os.read(self._process.stdout.fileno(), 65536)
            self._rest += chunk
            if not chunk or len(self._rest) > LINE_BYTES_MAX:
                if not chunk:
                    # It is ending by itself: how it ended says whose fault it was.
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(_ENDING_S)
                self.kill()
                raise ChildEnded
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            # It runs what strangers wrote: nothing it prints is taken on trust.
            self.kill()
            raise ChildEnded
        return answer

    def kill(self) -> None:
        """End it and everything in its sandbox: the sandbox's first process dies with bwrap."""
        self._process.kill()
        self._process.wait(_ENDING_S)

    def _await_ready(self) -> None:
        try:
            ready = self.next_line(READY_S)
        except (ChildEnded, ChildTimedOut):
            ready = {}
        if ready != {"ready": True}:
            said = self._said()
            self.__exit__(None, None, None)
            raise SandboxUnavailable(
                f"the sandbox does not start: {said}",
                hint="allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone,"
                " kernel.apparmor_restrict_unprivileged_userns); nothing runs without the sandbox",
            )

    def _said(self) -> str:
        # Before it is ready it has read nothing of ours: what it says here holds no contents of reports.
        self._errors.seek(0)
        return self._errors.read(_ERRORS_BYTES_KEPT).decode("utf-8", "replace").strip() or "it said nothing"


def _place(package: str) -> str:
    return "/packages/" + package.replace(".", "/")


def _interpreter() -> str:
    return str(Path(sys.executable).resolve())


def _python() -> list[Shown]:
    """The interpreter, its standard library, and the shared libraries they need."""
    shown = [Shown(Path("/usr/lib"), "/usr/lib")]
    if Path("/usr/lib64").exists():
        shown.append(Shown(Path("/usr/lib64"), "/usr/lib64"))
    interpreter = Path(_interpreter())
    folders = {Path(sysconfig.get_path("stdlib")).resolve(), *_shared_library(), interpreter}
    return shown + [Shown(path, str(path)) for path in sorted(folders) if not path.is_relative_to("/usr/lib")]


def _shared_library() -> list[Path]:
    folder, name = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
    library = Path(str(folder), str(name))
    return [library] if library.suffix != ".a" and library.exists() else []
