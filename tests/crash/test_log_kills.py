"""
Processes killed, stopped and orphaned in the middle of the log's work.

Method: a forked child appends and seals, and writes down each answer that it got, outside the log; a failpoint kills
it. Then this process opens the log, writes again, reads back and compares with what the child wrote down.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from spool import failpoints
from spool.clock import Deadline
from spool.errors import LockTimeout
from spool.file_lock import locked
from spool.log import lock_file
from spool.log.folder import segment_files
from spool.log.local_alarms import LocalAlarms
from spool.log.reader import read_sealed
from spool.log.stream_log import StreamLog
from tests.fakes.powered_host import boot
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.support.killed_child import run_until_killed
from tests.support.log_host import append, open_log, open_segment, read
from tests.support.waiting import until

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("boots")]

WRITING = ("log.append.", "log.seal.", "log.open.")
RECOVERING = ("log.recovery.",)


class Journal:
    """What a producer was promised, one line per event, where its death cannot take it back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def append(self, log: StreamLog, *texts: str, group: bool = False) -> None:
        ranges = append(log, *texts, group=group)
        offsets = [offset for one in ranges for offset in range(one.first, one.next)]
        lines = "".join(f"{offset} {text}\n" for offset, text in zip(offsets, texts, strict=True))
        with self._path.open("a", encoding="utf-8") as file:
            file.write(lines)

    def wait_for_more(self, events: int) -> None:
        """Returns when its producer was promised so many more than now."""
        wanted = len(self.promised()) + events
        until(lambda: len(self.promised()) >= wanted, "a producer appends")

    def promised(self) -> dict[int, str]:
        lines = (line.split() for line in self._path.read_text(encoding="utf-8").splitlines())
        return {int(offset): text for offset, text in lines}


def names(*prefixes: str) -> list[str]:
    return [name for name in failpoints.NAMES if name.startswith(prefixes)]


def produce(folder: Path, journal: Journal) -> None:
    log = open_log(folder)
    for round_ in range(3):
        journal.append(log, f"a{round_}")
        journal.append(log, f"g{round_}x", f"g{round_}y", group=True)
        log.seal()
        journal.append(log, f"b{round_}")


def look_after(folder: Path, journal: Journal) -> None:
    """Recover, write again, read back, count."""
    alarms = RecordedAlarms()
    log = open_log(folder, alarms=alarms)
    journal.append(log, "after")
    log.seal()
    found = read(folder)
    promised = journal.promised()
    assert {offset: found.get(offset) for offset in promised} == promised
    assert sorted(found) == list(range(len(found))), "offsets are dense: nothing was lost between"
    assert len(set(found.values())) == len(found), "nothing came twice"
    assert len(found) - len(promised) <= 2, "at most the one call that was not answered"
    for round_ in range(3):
        assert (f"g{round_}x" in found.values()) == (f"g{round_}y" in found.values()), "half a group"
    assert alarms.ever == []
    for file in segment_files(log.path)[:-1]:
        contents = read_sealed(file.path)
        assert contents.sha256 == contents.identity
    log.close()


def test_the_log_declares_enough_failpoints() -> None:
    assert len(names("log.")) >= 14


@pytest.mark.parametrize("at_pass", [1, 3])
@pytest.mark.parametrize("name", names(*WRITING))
def test_a_producer_killed_anywhere_loses_and_doubles_nothing(name: str, at_pass: int, tmp_path: Path) -> None:
    folder, journal = tmp_path / "spool", Journal(tmp_path / "journal")
    assert run_until_killed(lambda: produce(folder, journal), name, at_pass), f"{name} was not passed"
    look_after(folder, journal)


@pytest.mark.parametrize("name", names(*RECOVERING))
def test_a_recovery_killed_anywhere_is_done_again(name: str, tmp_path: Path) -> None:
    folder, journal = tmp_path / "spool", Journal(tmp_path / "journal")
    log = open_log(folder)
    journal.append(log, "a")
    if name == "log.recovery.rewritten":
        log.seal()
    log.close()
    with open_segment(folder).path.open("ab") as file:
        file.write(b"half a commit")
    boot()
    assert run_until_killed(lambda: journal.append(open_log(folder), "b"), name), f"{name} was not passed"
    look_after(folder, journal)


@pytest.mark.parametrize("name", ["log.append.written", "log.append.synced", "log.append.noted"])
def test_a_reboot_after_the_kill_changes_nothing(name: str, tmp_path: Path) -> None:
    folder, journal = tmp_path / "spool", Journal(tmp_path / "journal")
    assert run_until_killed(lambda: produce(folder, journal), name, 2)
    boot()
    look_after(folder, journal)


@pytest.mark.parametrize("seed", range(3))
def test_random_kills_of_two_producers_on_one_log_lose_and_double_nothing(seed: int, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    journals = [Journal(tmp_path / f"journal{number}") for number in range(2)]

    def produce_for_ever(number: int, life: int) -> None:
        log = open_log(folder, seal_bytes=4096)
        for count in range(100_000):
            journals[number].append(log, f"{number}-{life}-{count}")

    for life in range(4):
        children = [fork(partial(produce_for_ever, number, life)) for number in range(2)]
        for journal in journals:
            journal.wait_for_more(5 + 7 * (seed + life))
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    log = open_log(folder)
    append(log, "after")
    found = read(folder)
    promised = journals[0].promised() | journals[1].promised()
    assert len(promised) == len(journals[0].promised()) + len(journals[1].promised()), "an offset was given twice"
    assert len(promised) > 8
    assert {offset: found.get(offset) for offset in promised} == promised
    assert sorted(found) == list(range(len(found)))
    assert len(set(found.values())) == len(found)


def test_a_stopped_holder_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    folder, alarms = tmp_path / "spool", RecordedAlarms()
    log = open_log(folder, alarms=alarms)
    append(log, "before")
    log.close()
    holder = fork(lambda: append(open_log(folder), "late"), armed="log.append.locked=stop")
    os.waitpid(holder, os.WUNTRACED)
    try:
        with pytest.raises(LockTimeout, match=f"process {holder} holds"):
            append(log, "refused", timeout_s=0.3)
    finally:
        os.kill(holder, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(holder, 0)[1]) == 0
    append(log, "after")
    assert read(folder) == {0: "before", 1: "late", 2: "after"}


def test_a_long_wait_for_the_lock_is_an_alarm_until_it_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_file, "ALARM_AFTER_S", 0.1)
    folder = tmp_path / "spool"
    alarms = LocalAlarms(folder)
    log = open_log(folder, alarms=alarms)
    append(log, "before")
    holder = fork(lambda: append(open_log(folder, alarms=alarms), "late"), armed="log.append.locked=stop")
    os.waitpid(holder, os.WUNTRACED)
    with pytest.raises(LockTimeout):
        append(log, "refused", timeout_s=0.4)
    assert open_alarms(folder) == [("log_locked", f"events/{log.id}")]
    os.kill(holder, signal.SIGCONT)
    os.waitpid(holder, 0)
    append(log, "after")
    assert open_alarms(folder) == []


def test_the_alarm_of_a_waiter_that_ended_is_closed_when_the_lock_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_file, "ALARM_AFTER_S", 0.1)
    folder = tmp_path / "spool"
    log = open_log(folder, alarms=LocalAlarms(folder))
    append(log, "before")

    def wait_in_vain() -> None:
        with pytest.raises(LockTimeout):
            append(open_log(folder, alarms=LocalAlarms(folder)), "refused", timeout_s=0.4)

    with log._writer._held.lock.held(Deadline.after(5)):
        os.waitpid(fork(wait_in_vain), 0)
        assert open_alarms(folder) == [("log_locked", f"events/{log.id}")]
    assert open_alarms(folder) == []
    append(log, "after")
    assert list(read(folder).values()) == ["before", "after"]


def open_alarms(folder: Path) -> list[tuple[str, str]]:
    return [(alarm.condition, alarm.subject) for alarm in LocalAlarms(folder).all() if not alarm.closed_ms]


def test_an_idle_child_does_not_keep_the_lock_that_its_parent_took_later(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    append(open_log(folder), "before")

    def parent(write_end: int) -> None:
        log = open_log(folder)
        append(log, "parent")
        leave_a_child(write_end)
        failpoints.arm("log.append.locked=kill")
        append(log, "never")

    with orphan_of(parent):
        append(open_log(folder), "after", timeout_s=5)
        assert list(read(folder).values()) == ["before", "parent", "after"]


def test_a_child_forked_under_a_lock_does_not_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "any.lock"

    def parent(write_end: int) -> None:
        with locked(path, Deadline.after(5)):
            leave_a_child(write_end)
            os.kill(os.getpid(), signal.SIGKILL)

    with orphan_of(parent), locked(path, Deadline.after(30)):
        pass


@contextmanager
def orphan_of(parent: Callable[[int], object]) -> Iterator[None]:
    """Inside, the parent was killed and a child of its lives on."""
    read_end, write_end = os.pipe()
    killed = fork(lambda: parent(write_end))
    assert os.WTERMSIG(os.waitpid(killed, 0)[1]) == signal.SIGKILL
    orphan = int(os.read(read_end, 20))
    try:
        yield
    finally:
        os.kill(orphan, signal.SIGKILL)
        os.close(read_end)
        os.close(write_end)


def leave_a_child(write_end: int) -> None:
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    os.write(write_end, str(child).encode())


def fork(work: Callable[[], object], armed: str = "") -> int:
    """A child that does `work` and ends; its id."""
    child = os.fork()
    if child == 0:
        try:
            failpoints.arm(armed)
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return child
