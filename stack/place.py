"""
Where a stack lives: one folder, one range of ports. Two checkouts run side by side with different ones.

    STACK_DIR        .stack in the repository; short, because it holds sockets (107 bytes at most)
    STACK_PORT_BASE  20000; a multiple of 100 from 10000 to 22600 (SeaweedFS adds 10000 to its port, and above 32768
                     the system gives ports to clients)

A folder remembers the ports that its stack was last started on, so every later command in any shell needs only the
folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spool.clock import Deadline
from spool.file_lock import FileLock

REPOSITORY = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
SOCKET_PATH_MAX = 107
_ALONE_TIMEOUT_S = 600.0
_DEFAULT_PORT_BASE = "20000"
BUCKETS = ("spool", "airflow-logs")

OFFSETS = {
    "s3": 0, "s3_master": 1, "s3_volume": 2, "s3_filer": 3, "s3_admin": 4,
    "mariadb": 10, "postgres": 11,
    "mongo": 25,
    "collector_a": 30, "collector_b": 33, "smtp": 31, "mail_view": 32,
    "kafka": 50, "kafka_controller": 51,
    "airflow": 80, "airflow_scheduler_health": 81, "airflow_logs": 82,
    "mirror": 90,
}  # fmt: skip


class StackProblem(Exception):
    """Something a person has to fix; the message says what, `hint` how."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Place:
    """Folder, tools and ports of one stack."""

    folder: Path
    port_base: int
    tools: Path = REPOSITORY / ".tools"
    ports: dict[str, int] | None = None

    def port(self, name: str) -> int:
        """The port of a service, by its name in OFFSETS."""
        return self.ports[name] if self.ports else self.port_base + OFFSETS[name]

    def path(self, *parts: str) -> Path:
        return self.folder.joinpath(*parts)

    def make(self, *parts: str, mode: int = 0o755) -> Path:
        """A folder below, made where it is missing."""
        path = self.path(*parts)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        return path

    def remembered_port_base(self) -> int | None:
        """The ports this folder's stack was last started on; None before the first start."""
        text = _remembered(self.folder)
        return int(text) if text.isdigit() else None

    def remember_port_base(self) -> None:
        """From now on commands without STACK_PORT_BASE use these ports."""
        file = self.make("run") / "port_base"
        temporary = file.with_suffix(".tmp")
        temporary.write_text(f"{self.port_base}\n", encoding="ascii")
        temporary.replace(file)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One command at a time changes a stack. StackProblem when another is at work for longer than ten minutes."""
        lock = FileLock(self.make("run") / "lock")
        try:
            if not lock.acquire(Deadline.after(_ALONE_TIMEOUT_S)):
                raise StackProblem("another `make up` or `make down` is at work", "wait for it, or end it")
            yield
        finally:
            lock.close()


def from_environment() -> Place:
    """StackProblem where STACK_DIR, or STACK_PORT_BASE and what the folder remembers, cannot work."""
    folder = Path(os.environ.get("STACK_DIR") or REPOSITORY / ".stack").resolve()
    text = os.environ.get("STACK_PORT_BASE") or _remembered(folder) or _DEFAULT_PORT_BASE
    if not text.isdigit() or int(text) % 100 or not 10000 <= int(text) <= 22600:
        raise StackProblem(f"STACK_PORT_BASE={text}", "it must be a multiple of 100 from 10000 to 22600")
    longest = folder / "run" / "postgres" / f".s.PGSQL.{text}"
    if len(str(longest)) > SOCKET_PATH_MAX:
        raise StackProblem(f"{folder} is too long a path for sockets", "set STACK_DIR to a shorter one")
    return Place(folder, int(text))


def _remembered(folder: Path) -> str:
    try:
        return (folder / "run" / "port_base").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
