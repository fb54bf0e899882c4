"""Runs inside the sandbox and tries what a parser that was taken over would try. Answers what it got."""

import json
import os
import resource
import sys
from pathlib import Path


def main() -> int:
    os.environ.clear()
    say({"ready": True})
    for line in sys.stdin:
        attempt = json.loads(line)
        try:
            say({"got": ATTEMPTS[attempt["try"]](attempt.get("at"))})
        except BaseException as error:
            say({"refused": type(error).__name__, "errno": getattr(error, "errno", None)})
    return 0


def say(answer: dict) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def raw_connect(_: object) -> int:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    number = libc.syscall(41 if os.uname().machine == "x86_64" else 198, 2, 1, 0)
    return number if number >= 0 else -ctypes.get_errno()


def make_socket(family: str) -> str:
    import socket

    return str(socket.socket(getattr(socket, family)))


def socket_pair(_: object) -> str:
    import socket

    return str(socket.socketpair())


def start(command: list[str]) -> int:
    import subprocess

    return subprocess.run(command, check=False).returncode


def read(path: str) -> str:
    with Path(path).open() as file:
        return file.read(100)


def write(path: str) -> str:
    with Path(path).open("w") as file:
        return str(file.write("x"))


ATTEMPTS = {
    "environment": lambda _: dict(os.environ),
    "list": os.listdir,
    "read": read,
    "write": write,
    "socket": make_socket,
    "raw_socket": raw_connect,
    "socket_pair": socket_pair,
    "start": start,
    "kill": lambda pid: os.kill(pid, 0),
    "ids": lambda _: [os.getuid(), os.getgid(), os.getpid()],
    "memory": lambda size: len(bytearray(size)),
    "limits": lambda _: {
        n: resource.getrlimit(getattr(resource, n))[1] for n in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_CORE")
    },
    "mount": lambda _: os.unshare(0x20000) if hasattr(os, "unshare") else read("/proc/self/mounts"),
    "hang": lambda _: __import__("time").sleep(1000),
    "die": lambda _: os._exit(1),
    "crash": lambda _: __import__("ctypes").string_at(0),
    "talk": lambda size: "x" * size,
    "garble": lambda _: sys.stdout.write("no json\n"),
}
