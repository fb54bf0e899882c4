"""
Free ports of the loopback interface for the servers of tests, below the ephemeral range.

A port is reserved until it is released or this process ends, in the whole machine: two test runs, or two workers of
one run, never get the same one between the moment when it is free and the moment when the server listens. The
reservation is a name in the abstract socket namespace, which belongs to the same network namespace as the port and goes
with its owner.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Sequence

# Other runs of the tests on the machine give theirs back when a test of theirs ends.
LIMIT_S = 240.0

# Each server has a range of its own; the local stacks have theirs in `local_stack`.
KAFKA = range(24000, 24800, 2)
SEAWEED = (*range(20210, 20290, 10), *range(22600, 22700, 10))
OTHERS = range(23000, 23900)

# Open descriptors by port; they are closed with this process at the latest.
_reservations: dict[int, int] = {}


def reserve(bases: Sequence[int], offsets: Sequence[int] = (0,), wait_s: float = LIMIT_S) -> int:
    """
    The first base of which all of base + offsets are free and now ours.

    Where others have all of them, until one is given back; RuntimeError when none is within `wait_s`.
    """
    deadline = time.monotonic() + wait_s
    while (base := _reserve_one(bases, offsets)) is None:
        if time.monotonic() >= deadline:
            raise RuntimeError(f"no free ports: looked at {bases} for {wait_s:g} s")
        time.sleep(0.1)
    return base


def _reserve_one(bases: Iterable[int], offsets: Sequence[int]) -> int | None:
    for base in bases:
        if _reserve_name(base):
            if all(is_free(base + offset) for offset in offsets):
                return base
            release(base)
    return None


def release(base: int) -> None:
    """Let others have it: the server that it was reserved for has ended."""
    os.close(_reservations.pop(base))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _reserve_name(base: int) -> bool:
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0spillway-test-port-{base}")
    except OSError:
        name.close()
        return False
    _reservations[base] = name.detach()
    return True
