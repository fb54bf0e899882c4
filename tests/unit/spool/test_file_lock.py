"""One lock between processes: a deadline, turns, and children that do not inherit it."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spool import file_lock
from spool.clock import Deadline
from spool.errors import LockTimeout
from spool.file_lock import FileLock, is_locked, locked
from tests.support.waiting import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.lock"


@contextmanager
def held_by_a_child(path: Path) -> Iterator[int]:
    """A child process holds the lock in the block."""
    child = fork(lambda: _hold_until_killed(path))
    try:
        wait_until(lambda: is_locked(path))
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _hold_until_killed(path: Path) -> None:
    with locked(path, Deadline.after(30)):
        time.sleep(600)


def fork(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return child


def wait_until(condition: Callable[[], object]) -> None:
    until(condition, "the lock is so", every_s=0.001)


def test_a_lock_that_another_process_holds_is_refused_at_the_deadline_and_names_it(path: Path) -> None:
    with (
        held_by_a_child(path) as child,
        pytest.raises(LockTimeout, match=f"the folder: process {child} holds the lock"),
        locked(path, Deadline.after(0.05), name="the folder"),
    ):
        pass
    with locked(path, Deadline.after(30)):
        assert is_locked(path)
    assert not is_locked(path)


def test_two_locks_of_one_process_exclude_each_other(path: Path) -> None:
    one, other = FileLock(path), FileLock(path)
    with one.held(Deadline.after(30)):
        assert not other.try_acquire()
        assert not other.is_held
    assert other.try_acquire()
    assert not one.acquire(Deadline.after(0.02))
    one.close()
    other.close()


def test_nobody_holds_a_lock_that_was_never_made(path: Path) -> None:
    assert not is_locked(path)
    assert not path.exists(), "a question makes no file"


def test_a_removed_lock_file_lets_nobody_hold_the_old_one(path: Path) -> None:
    one, other = FileLock(path), FileLock(path)
    assert one.try_acquire()
    one.release()
    path.unlink()
    with other.held(Deadline.after(30)):
        assert not one.try_acquire(), "the old file is another lock"
    one.close()
    other.close()


def test_a_lock_file_is_for_its_owner_only_and_is_not_looked_for_behind_a_link(path: Path, tmp_path: Path) -> None:
    with locked(path, Deadline.after(30)):
        assert path.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"), locked(link, Deadline.after(1)):
        pass


def test_who_waits_is_not_passed_by_one_that_takes_the_lock_again_at_once(path: Path) -> None:
    greedy, waiter = FileLock(path), FileLock(path)
    order: list[str] = []

    def wait() -> None:
        with waiter.held(Deadline.after(60)):
            order.append("waiter")

    with greedy.held(Deadline.after(60)):
        thread = threading.Thread(target=wait)
        thread.start()
        wait_until(lambda: _turn_is_taken(path))
    with greedy.held(Deadline.after(60)):
        order.append("greedy")
    thread.join()
    greedy.close()
    waiter.close()
    assert order == ["waiter", "greedy"]


def test_a_waiter_that_is_stopped_in_its_turn_keeps_nobody_from_the_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "_TURN_S", 0.05)
    holder = FileLock(path)
    with holder.held(Deadline.after(60)):
        child = fork(lambda: _hold_until_killed(path))
        wait_until(lambda: _turn_is_taken(path))
        os.kill(child, signal.SIGSTOP)
        os.waitpid(child, os.WUNTRACED)
    deadline = Deadline.after(60)
    try:
        assert holder.acquire(deadline)
        assert not deadline.expired
    finally:
        holder.close()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _turn_is_taken(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        return not file_lock._try_turn(descriptor)
    finally:
        os.close(descriptor)


def test_a_turn_ends_with_the_wait(path: Path) -> None:
    holder, waiter = FileLock(path), FileLock(path)
    with holder.held(Deadline.after(30)):
        assert not waiter.acquire(Deadline.after(0.02))
        assert not _turn_is_taken(path)
    holder.close()
    waiter.close()


class Interrupt(BaseException):
    """As a signal handler raises it: Airflow's task time-out, SystemExit."""


@pytest.mark.parametrize("step", ["_is_named", "_note_holder", "_end_turn"])
def test_an_interrupt_while_the_lock_is_taken_leaves_it_free(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = FileLock(path)

    def interrupt(self: FileLock) -> bool:
        raise Interrupt

    monkeypatch.setattr(FileLock, step, interrupt)
    with pytest.raises(Interrupt), lock.held(Deadline.after(30)):
        pass
    monkeypatch.undo()
    assert not lock.is_held
    assert not is_locked(path)
    lock.close()


def test_a_holder_note_that_finds_no_room_costs_nobody_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes, at: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lock = FileLock(path)
    monkeypatch.setattr(os, "pwrite", full)
    with lock.held(Deadline.after(30)):
        assert lock.is_held
        assert lock.holder() == "unknown"
    assert not is_locked(path)
    lock.close()


# Forks.


def test_a_child_does_not_keep_the_lock_that_its_parent_held(path: Path) -> None:
    lock = FileLock(path)
    assert lock.try_acquire()
    read_end, write_end = os.pipe()

    def child() -> None:
        os.write(write_end, b"held" if lock.is_held else b"free")
        time.sleep(600)

    orphan = fork(child)
    try:
        assert os.read(read_end, 4) == b"free", "the child does not hold it"
        assert is_locked(path), "its parent does"
        lock.close()
        assert not is_locked(path)
    finally:
        os.kill(orphan, signal.SIGKILL)
        os.waitpid(orphan, 0)
        os.close(read_end)
        os.close(write_end)


def test_a_child_forked_in_the_block_neither_frees_nor_keeps_its_parents_lock(path: Path) -> None:
    with locked(path, Deadline.after(30)):
        child = os.fork()
        if child == 0:
            os._exit(1 if FileLock(path).try_acquire() else 0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert is_locked(path)


def test_a_file_that_is_being_opened_while_another_thread_forks_is_closed_in_the_child(path: Path) -> None:
    opened, forked = threading.Event(), threading.Event()

    def slow_open(where: Path, flags: int, mode: int) -> int:
        descriptor = os.open(where, flags, mode)
        opened.set()
        forked.wait(0.2)  # a fork that does not wait for the gate comes now
        return descriptor

    lock = FileLock(path, open_file=slow_open)
    thread = threading.Thread(target=lock.try_acquire)
    thread.start()
    opened.wait(240)
    child = os.fork()
    if child == 0:
        os._exit(1 if path in _open_files() else 0)
    forked.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    lock.close()


def _open_files() -> list[Path]:
    links = [Path(f"/proc/self/fd/{number}") for number in range(256)]
    return [link.readlink() for link in links if link.is_symlink()]


def test_an_interrupt_of_acquire_frees_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = FileLock(path)

    def interrupt(self: FileLock) -> None:
        raise Interrupt

    monkeypatch.setattr(FileLock, "_note_holder", interrupt)
    with pytest.raises(Interrupt):
        lock.acquire(Deadline.after(30))
    monkeypatch.undo()
    assert not is_locked(path)
    lock.close()
