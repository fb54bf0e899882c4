"""
A disk that loses power: everything since the last sync may be lost, torn, or kept in any order.

Files and folders are real, in a folder of the test, so that the code under test reads what a process would read. Beside
them this disk remembers what is durable:

    a file     its bytes at the last `sync_data`; writes and sizes since then are pending
    a folder   its names at the last `sync_folder`; names made, removed and renamed since then are pending

`lose_power` decides which pending changes survive and makes the real files so. Writes survive by sectors. A failed
`sync_data` leaves its writes readable, but no later sync makes them durable (as Linux does).

Faults: `fail_at`, `room_bytes` (a full disk), `chunk_bytes` (short writes), `kill_at` and `power_off_at` (at the n-th
change), `ignored` (a place in the source whose sync calls do nothing).
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from spool.disk import Disk

SECTOR_BYTES = 512
Mode = Literal["nothing", "everything", "newest", "older", "random"]
"""Which pending changes survive: none; all; of each file and folder only the last; all but the last; any."""
Site = tuple[str, int]
"""File name and line of a call."""
Keep = Callable[[bool], bool]
"""Whether a change survives; called with whether it is the last of its file or folder."""


class Killed(BaseException):
    """The process is dead: its page cache stays. Nothing after this happens until `new_process`."""


class PoweredOff(BaseException):
    """Nothing after this happens until `lose_power`."""


class _File:
    """The durable bytes of a file and what came since: (place, bytes) or a new size."""

    def __init__(self, durable: bytes) -> None:
        self.durable = durable
        self.pending: list[tuple[int, bytes] | int] = []
        self.doomed: list[tuple[int, bytes] | int] = []  # of a failed sync: later syncs do not reach them

    def survivor(self, keep: Keep) -> bytes:
        content = bytearray(self.durable)
        changes = self.doomed + self.pending
        for number, change in enumerate(changes, 1):
            is_last = number == len(changes)
            if not isinstance(change, int):
                _overlay(content, change, keep, is_last=is_last)
            elif keep(is_last):
                content[change:] = b"\0" * (change - len(content))
        return bytes(content)


def _overlay(content: bytearray, change: tuple[int, bytes], keep: Keep, *, is_last: bool) -> None:
    at, data = change
    start = 0
    while start < len(data):
        stop = min(len(data), start + SECTOR_BYTES - (at + start) % SECTOR_BYTES)
        if keep(is_last):
            content.extend(b"\0" * (at + start - len(content)))
            content[at + start : at + stop] = data[start:stop]
        start = stop


class _Folder:
    """The durable names of a folder and what came since: (name gone, name there, what it names)."""

    def __init__(self, durable: dict[str, _File | None]) -> None:
        self.durable = durable
        self.pending: list[tuple[str, str, _File | None]] = []
        self.moved_away: list[tuple[str, Path, _File | None]] = []  # to another folder, not synced since

    def survivor(self, keep: Keep) -> dict[str, _File | None]:
        names = dict(self.durable)
        for number, (gone, there, node) in enumerate(self.pending, 1):
            if keep(number == len(self.pending)):
                names.pop(gone, None)
                if there:
                    names[there] = node
        return names


class SimulatedDisk(Disk):
    """Everything below `root`; the root itself is durable."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[int, _File] = {}
        self._folders: dict[Path, _Folder] = {root: _Folder({})}
        self._faults: dict[str, list[tuple[int, int]]] = {}
        self._calls: dict[str, int] = {}
        self._reserved: dict[Path, int] = {}
        self._stopped: type[BaseException] | None = None
        self.changes = 0
        self.kill_at: int | None = None
        self.power_off_at: int | None = None
        self.room_bytes: int | None = None
        self.chunk_bytes: int | None = None
        self.ignored: Site | None = None
        self.sync_calls: list[tuple[Site, int]] = []

    def fail_at(self, operation: str, number: int, *, at_call: int = 1) -> None:
        """The n-th call of a method from now on raises this errno; for write_at half of the bytes are written."""
        self._faults.setdefault(operation, []).append((self._calls.get(operation, 0) + at_call, number))

    def new_process(self) -> None:
        """The page cache is as the dead process left it."""
        self._stopped = self.kill_at = None

    def lose_power(self, mode: Mode, source: random.Random) -> None:
        """Make the real files what a disk may hold after power loss; they are durable then."""

        def keep(is_last: bool) -> bool:
            if mode == "random":
                return source.random() < 0.5
            return mode == "everything" or mode == ("newest" if is_last else "older")

        names = {path: folder.survivor(keep) for path, folder in self._folders.items()}
        for path, folder in self._folders.items():
            for name, target, node in folder.moved_away:
                if target.name not in names.get(target.parent, {}):
                    names[path].setdefault(name, node)  # a rename removes no name that it did not give elsewhere
        nodes = {id(node): node for folder in names.values() for node in folder.values() if node is not None}
        contents = {key: node.survivor(keep) for key, node in nodes.items()}
        self._files.clear()
        self._folders = {}
        self._restore(self._root, names, contents)
        self._stopped = self.kill_at = self.power_off_at = None
        self._faults.clear()

    # The seam.

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        is_new = not path.exists()
        if is_new and flags & os.O_CREAT:
            self._change("open")
        descriptor = super().open(path, flags, mode)
        if is_new:
            self._files[os.fstat(descriptor).st_ino] = node = _File(b"")
            self._folder(path.parent).pending.append(("", path.name, node))
        elif flags & os.O_TRUNC:
            self._file(descriptor).pending.append(0)
        return descriptor

    def write_at(self, descriptor: int, data: bytes | bytearray | memoryview, at: int) -> int:
        node = self._file(descriptor)
        data = bytes(data)
        if self.chunk_bytes is not None:
            data = data[: self.chunk_bytes]
        if self.room_bytes is not None:
            # What is below the end of the file has its blocks already.
            there = max(0, min(len(data), os.fstat(descriptor).st_size - at))
            data = data[: there + self.room_bytes]
            if not data:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.room_bytes -= len(data) - there
        try:
            self._change("write_at")
        except (Killed, PoweredOff, OSError):
            self._write(descriptor, node, data[: len(data) // 2], at)
            raise
        return self._write(descriptor, node, data, at)

    def sync_data(self, descriptor: int) -> None:
        node = self._file(descriptor)
        if self._is_ignored():
            return
        try:
            self._change("sync_data")
        except OSError:
            node.doomed, node.pending = node.doomed + node.pending, []
            raise
        if not node.doomed:
            node.durable = self._real(descriptor)
        else:
            # What was doomed stays so; what came later is durable, size and all.
            for change in node.pending:
                if isinstance(change, int):
                    node.durable = node.durable[:change]
                    node.doomed = [old for old in node.doomed if not isinstance(old, int) and old[0] < change]
                else:
                    durable = bytearray(node.durable)
                    _overlay(durable, change, _always, is_last=True)
                    node.durable = bytes(durable)
        node.pending = []

    def sync_folder(self, folder: Path) -> None:
        if self._is_ignored():
            return
        self._change("sync_folder")
        node = self._folder(folder)
        node.durable, node.pending, node.moved_away = node.survivor(_always), [], []

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        node = self._file(descriptor)
        self._change("truncate")
        super().truncate(descriptor, size_bytes)
        node.pending.append(size_bytes)

    def rename(self, source: Path, target: Path) -> None:
        self._change("rename")
        node = self._files.get(source.stat().st_ino)
        super().rename(source, target)
        if source.parent == target.parent:
            self._folder(source.parent).pending.append((source.name, target.name, node))
            return
        # Each folder has its own order: synced alone, the old one forgets a name that the new one does not have yet.
        self._folder(source.parent).pending.append((source.name, "", None))
        self._folder(source.parent).moved_away.append((source.name, target, node))
        self._folder(target.parent).pending.append(("", target.name, node))

    def unlink(self, path: Path) -> None:
        self._change("unlink")
        super().unlink(path)
        if self.room_bytes is not None:
            self.room_bytes += self._reserved.pop(path, 0)
        self._folder(path.parent).pending.append((path.name, "", None))

    def make_folder(self, path: Path) -> None:
        if path.is_dir():
            return
        self._change("make_folder")
        super().make_folder(path)
        self._folder(path.parent).pending.append(("", path.name, None))
        self._folders[path] = _Folder({})

    def reserve(self, path: Path, size_bytes: int) -> None:
        """The size is only noted: it becomes room when the file is removed."""
        if self.room_bytes is not None:
            if self.room_bytes < size_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.room_bytes -= size_bytes
        os.close(self.open(path, os.O_CREAT | os.O_WRONLY))
        self._reserved[path] = size_bytes

    # Below here, how.

    def _change(self, operation: str) -> None:
        """Count the change; raise where it shall fail or never happen."""
        if self.changes == self.power_off_at:
            self._stopped = PoweredOff
        elif self.changes == self.kill_at and self._stopped is None:
            self._stopped = Killed
        if self._stopped is not None:
            raise self._stopped
        self.changes += 1
        self._calls[operation] = self._calls.get(operation, 0) + 1
        for at_call, number in self._faults.get(operation, []):
            if at_call == self._calls[operation]:
                raise OSError(number, os.strerror(number))

    def _write(self, descriptor: int, node: _File, data: bytes, at: int) -> int:
        written = super().write_at(descriptor, data, at)
        node.pending.append((at, data[:written]))
        return written

    def _real(self, descriptor: int) -> bytes:
        # The descriptor may be for writing only.
        return Path(f"/proc/self/fd/{descriptor}").read_bytes()

    def _file(self, descriptor: int) -> _File:
        number = os.fstat(descriptor).st_ino
        if number not in self._files:
            self._files[number] = _File(self._real(descriptor))
        return self._files[number]

    def _folder(self, path: Path) -> _Folder:
        return self._folders.setdefault(path, _Folder({}))

    def _is_ignored(self) -> bool:
        caller = sys._getframe(2)
        site = (Path(caller.f_code.co_filename).name, caller.f_lineno)
        self.sync_calls.append((site, self.changes))
        return self.ignored == site

    def _restore(self, path: Path, names: dict[Path, dict[str, _File | None]], contents: dict[int, bytes]) -> None:
        there = names.get(path, {})
        for entry in list(path.iterdir()):
            if entry.name not in there:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self._folders[path] = _Folder({})
        for name, node in there.items():
            entry = path / name
            if node is None:
                entry.mkdir(exist_ok=True)
                self._restore(entry, names, contents)
            else:
                entry.write_bytes(contents[id(node)])
                node = self._files[entry.stat().st_ino] = _File(contents[id(node)])
            self._folders[path].durable[name] = node


def _always(is_last: bool) -> bool:
    return True
