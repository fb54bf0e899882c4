"""What a service of the stack is. One file in stack/services/ makes one, or a few that belong together."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stack.place import StackProblem


def _nothing() -> None:
    """For services that need no preparation."""


@dataclass(frozen=True)
class Service:
    """
    One process in the foreground, with everything it starts.

    ready      asked until it is true; quick, raises nothing
    prepare    before every start; makes folders and configuration, keeps what is there
    settle     once after it became ready; idempotent (databases, buckets, users)
    user       whom it runs as when the stack is started by root
    interrupt_children
               children in process groups of their own get SIGINT when it is stopped; it would wait for them otherwise
    url        what a person opens; empty where there is nothing to see
    """

    name: str
    command: list[str]
    ready: Callable[[], bool]
    ports: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], object] = _nothing
    settle: Callable[[], object] = _nothing
    user: str = ""
    stop_signal: str = "TERM"
    stop_wait_s: int = 20
    ready_within_s: int = 240
    interrupt_children: bool = False
    url: str = ""


def own(path: Path, user: str) -> None:
    """Give a folder to the user a service runs as, when we are root."""
    if user and os.geteuid() == 0:
        shutil.chown(path, user, user)


def require_way_in(folder: Path, user: str) -> None:
    """StackProblem where a service that runs as `user` could not reach its folder; root itself reaches everything."""
    if not user:
        return
    for parent in folder.parents:
        if parent.exists() and not parent.stat().st_mode & stat.S_IXOTH and parent.owner() != user:
            raise StackProblem(
                f"{user} may not enter {parent}, which contains the stack's folder",
                f"chmod o+x {parent}, or STACK_DIR=/var/tmp/spillway",
            )
