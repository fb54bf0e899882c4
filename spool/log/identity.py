"""
Whose log this is: `log.json`, and what follows when it is not ours.

A log belongs to one folder on one machine. A copied folder (a clone, a restored backup) has the same log.json, but
is on another inode or machine: the copy's log is ended there and a new one continues it (rule 10).
"""

from __future__ import annotations

import json
import secrets
import socket
from pathlib import Path
from typing import NamedTuple

from spool.disk import Disk
from spool.durable_file import write_file
from spool.errors import FolderRefused
from spool.log.folder import LogFolder

FILE = "log.json"
VERSION = 1


class Identity(NamedTuple):
    """
    What log.json says.

    after      (log, segment) that this log continues
    successor  the log that continues this one; nothing is appended here any more
    """

    log: str
    machine: str
    inode: int
    after: tuple[str, int] | None = None
    successor: str = ""


def machine_id() -> str:
    """The id systemd gives a machine; the host's name if there is none, as in containers."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip() or socket.gethostname()
    except FileNotFoundError:
        return socket.gethostname()


def new_log_id() -> str:
    """40 random bits: short in keys, and two of them do not meet."""
    return secrets.token_hex(5)


def read_identity(log_path: Path) -> Identity:
    """FolderRefused where the file is missing or damaged."""
    path = log_path / FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("version") != VERSION:
            raise FolderRefused(f"{path} is of another version", hint="a newer program wrote it: upgrade this one")
        after = document.pop("after")
        return Identity(**document, after=(str(after[0]), int(after[1])) if after else None)
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise FolderRefused(
            f"{path} cannot be read: {error}", hint="restore it, or move the folder away: a new log is begun"
        ) from None


def is_ours(identity: Identity, log_path: Path) -> bool:
    return identity.machine == machine_id() and identity.inode == log_path.stat().st_ino


def create_log(stream_path: Path, disk: Disk, *, after: tuple[str, int] | None, log_id: str | None = None) -> LogFolder:
    """
    A new log, durable when it returns.

    1. make the folder   2. fsync its parent   3. log.json (write, fdatasync, rename, fsync folder)
    """
    log_id = log_id or new_log_id()
    path = stream_path / log_id
    disk.make_folder(path)
    disk.sync_folder(stream_path)
    write_identity(path, disk, Identity(log_id, machine_id(), path.stat().st_ino, after))
    return LogFolder(stream_path.name, log_id, path)


def write_identity(log_path: Path, disk: Disk, identity: Identity) -> None:
    document = {"version": VERSION, **identity._asdict()}
    write_file(disk, log_path / FILE, json.dumps(document, indent=1).encode())


def write_successor(log_path: Path, disk: Disk, successor: str) -> None:
    """Record durably that the log is continued by another; the next append goes there."""
    write_identity(log_path, disk, read_identity(log_path)._replace(successor=successor))
