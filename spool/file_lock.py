"""
Locks between processes: flock on a file of its own, with a deadline and without heirs.

Three things that flock alone does not give:

    a deadline   flock knows none, and a signal would reach only the main thread: the lock is polled
    no heirs     a forked child inherits the descriptor, and with it the lock of a parent that dies: each child closes
                 what it inherited (descriptors are opened and registered under a gate that a fork waits for)
    turns        one that releases and takes the lock again at once would always be before those who poll. So the next
                 in turn holds a second lock (on byte 0, of the kind F_OFD_SETLK), and nobody passes it by

A lock file that was removed or replaced is noticed: two holders would not see each other. One object serves one thread
at a time; two objects exclude each other, in one process as well.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spool.clock import Deadline
from spool.errors import LockTimeout

OpenFile = Callable[[Path, int, int], int]
"""Path, flags, mode of a new file; returns a descriptor."""

_FLAGS = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
# Anybody who may open the file may lock it, and so stop its users.
_OWNER_ONLY = 0o600
_POLL_S = 0.002
# Only one at a time polls as the next in turn.
_NEXT_POLL_S = 0.0005
# The next in turn may be stopped (SIGSTOP): then the others go on without turns.
_TURN_S = 1.0
_HOLDER = struct.Struct(">I")
_TURN = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, length, pid


class FileLock:
    """
    One lock file, opened when it is first needed. `close` gives the descriptor back.

    name       what is locked, for messages; the path unless given
    holder_at  byte of the file where its holder notes its process id (4 bytes), for waiting processes
    open_file  opens the file; `os.open` unless given
    """

    def __init__(self, path: Path, *, name: str = "", holder_at: int = 0, open_file: OpenFile = os.open) -> None:
        self.path = path
        self._name = name or str(path)
        self._holder_at = holder_at
        self._open_file = open_file
        self._descriptor = -1
        self._is_held = False

    @property
    def is_held(self) -> bool:
        """By this object; False in a child that was forked while it was held."""
        return self._is_held

    @property
    def descriptor(self) -> int:
        """Of the lock file, opened where needed: for what a user keeps in the file. OSError."""
        if self._descriptor < 0:
            with _gate:
                self._descriptor = self._open_file(self.path, _FLAGS, _OWNER_ONLY)
                _open_locks.add(self)
        return self._descriptor

    @contextmanager
    def held(self, deadline: Deadline) -> Iterator[None]:
        """Hold the lock in the block. LockTimeout names the holder; OSError where the file cannot be opened."""
        try:
            if not self.acquire(deadline):
                raise self.timeout()
            yield
        finally:
            # Also where an exception of a signal handler came between taking the lock and noting it.
            self.release()

    def acquire(self, deadline: Deadline) -> bool:
        """Take the lock, waiting for one's turn; False at the deadline. Use `held` unless the lock outlives a block."""
        try:
            while self._wait(deadline):
                if self._is_named():
                    self._is_held = True
                    self._note_holder()
                    return True
                self.close()
        except BaseException:
            self.release()
            raise
        return False

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it."""
        return self.acquire(Deadline(0))

    def release(self) -> None:
        """Release the lock; nothing where it is not held."""
        self._is_held = False
        if self._descriptor >= 0:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release the lock and close the file; the next use opens it again."""
        # Closing alone would leave the lock to a child that is just being forked, until it has closed its copy.
        self.release()
        with _gate:
            _open_locks.discard(self)
            self._close()

    def holder(self) -> str:
        """The process that holds the lock, or held it last; `unknown` where the file does not say."""
        data = os.pread(self.descriptor, _HOLDER.size, self._holder_at)
        return str(_HOLDER.unpack(data)[0]) if len(data) == _HOLDER.size else "unknown"

    def timeout(self) -> LockTimeout:
        """What to raise when the deadline passed."""
        return LockTimeout(
            f"{self._name}: process {self.holder()} holds the lock",
            hint="look at that process: is it stopped (state T)?",
        )

    def _wait(self, deadline: Deadline) -> bool:
        """Whether the lock was taken, on the file that is open; False at the deadline."""
        if deadline.expired:
            return _try_flock(self.descriptor)
        try:
            if not _try_turn(self.descriptor):
                self._wait_for_turn(deadline)
            while not _try_flock(self.descriptor):
                if deadline.expired:
                    return False
                time.sleep(_NEXT_POLL_S)
            return True
        finally:
            self._end_turn()

    def _wait_for_turn(self, deadline: Deadline) -> None:
        """Returns as the next in turn, or when waiting for that makes no sense any more."""
        patience = min(deadline, Deadline.after(_TURN_S))
        while not patience.expired:
            time.sleep(_POLL_S)
            if _try_turn(self.descriptor):
                return

    def _end_turn(self) -> None:
        if self._descriptor >= 0:
            _set_turn(self._descriptor, fcntl.F_UNLCK)

    def _is_named(self) -> bool:
        """Whether the name still means the file that is locked."""
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self._descriptor))

    def _note_holder(self) -> None:
        # For messages only: a full disk must not keep anybody from the lock.
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, _HOLDER.pack(os.getpid()), self._holder_at)

    def _close(self) -> None:
        descriptor, self._descriptor, self._is_held = self._descriptor, -1, False
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def locked(path: Path, deadline: Deadline, *, name: str = "") -> Iterator[None]:
    """Hold the lock of a file that is opened for this one time. LockTimeout, OSError."""
    lock = FileLock(path, name=name)
    try:
        with lock.held(deadline):
            yield
    finally:
        lock.close()


def is_locked(path: Path) -> bool:
    """Whether anybody holds the lock now. OSError. The question itself holds a shared lock for a moment."""
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        return not _try_flock(lock.descriptor, fcntl.LOCK_SH)
    finally:
        lock.close()


def _try_flock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try_turn(descriptor: int) -> bool:
    try:
        _set_turn(descriptor, fcntl.F_WRLCK)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def _set_turn(descriptor: int, kind: int) -> None:
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _TURN.pack(kind, os.SEEK_SET, 0, 1, 0))


# A child may not unlock what it inherited, that would be its parent's lock; closing its own copy does no harm.
_open_locks: set[FileLock] = set()
_gate = threading.Lock()


def _close_in_child() -> None:
    for lock in _open_locks:
        lock._close()
    _open_locks.clear()
    _gate.release()


# Registered first of all that use it, so it runs last before a fork: nobody who is waited for then needs the gate.
os.register_at_fork(before=_gate.acquire, after_in_parent=_gate.release, after_in_child=_close_in_child)
