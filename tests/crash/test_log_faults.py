"""
Every system call of an append, a seal and a wait fails in turn, once or from then on.

Whatever fails, the caller hears one of three things: accepted, refused, unknown. Afterwards, with a sound disk again,
the same log and one that was opened again append; then what was accepted is there once, what was refused is not there,
what is unknown is there at most once, and offsets are dense.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from spool.clock import Deadline
from spool.errors import AppendUnknown, FolderRefused, LockTimeout, SpoolFull
from spool.event import Event, ProducerSequence
from spool.log.folder import segment_files
from spool.log.reader import read_sealed
from spool.log.stream_log import StreamLog
from tests.fakes.failing_calls import FailingCalls
from tests.fakes.powered_host import boot
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.support.log_host import append, open_log, read
from tests.support.series import some

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("boots")]

REFUSALS = (SpoolFull, FolderRefused, LockTimeout)
KINDS = [(errno.EIO, False), (errno.EIO, True), (errno.ENOSPC, False), (errno.ENOSPC, True), (errno.EROFS, True)]
EACH_KIND = pytest.mark.parametrize(
    ("number", "lasting"),
    KINDS,
    ids=[f"{errno.errorcode[number]} {'lasts' if lasts else 'once'}" for number, lasts in KINDS],
)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


class Work(NamedTuple):
    """What is prepared soundly (its events are `before`), and the work whose calls fail, with the events it offers."""

    prepare: Callable[[Path], StreamLog]
    run: Callable[[StreamLog], object]
    offered: tuple[str, ...] = ()
    before: tuple[str, ...] = ("before",)


def begun(folder: Path) -> StreamLog:
    log = open_log(folder)
    append(log, "before")
    return log


def opened_by_a_new_process(folder: Path) -> StreamLog:
    begun(folder).close()
    return open_log(folder)


def full(folder: Path) -> StreamLog:
    begun(folder)
    return open_log(folder, seal_bytes=1)


def with_bytes_that_a_killed_process_left(folder: Path) -> StreamLog:
    log = begun(folder)
    with segment_files(log.path)[-1].path.open("ab") as file:
        file.write(b"half a commit")
    return log


def after_a_reboot(folder: Path) -> StreamLog:
    log = with_bytes_that_a_killed_process_left(folder)
    boot()
    return log


def written_by_two(folder: Path) -> StreamLog:
    log = begun(folder)
    append(open_log(folder), "by another process")
    append(log, "and again")
    return log


def write(log: StreamLog) -> object:
    return append(log, "first", "second")


def with_a_sequence(folder: Path) -> StreamLog:
    log = begun(folder)
    send(log, 1, "sequence 1")
    return log


def with_sequences_of_two(folder: Path) -> StreamLog:
    log = with_a_sequence(folder)
    send(open_log(folder), 2, "sequence 2")
    return log


def full_with_a_sequence(folder: Path) -> StreamLog:
    with_a_sequence(folder).close()
    return open_log(folder, seal_bytes=1)


def with_a_sequence_after_a_reboot(folder: Path) -> StreamLog:
    with_a_sequence(folder).close()
    boot()
    return open_log(folder)


def send(log: StreamLog, sequence: int, *texts: str) -> object:
    named = ProducerSequence("outbox/test", sequence, log.id)
    return log.append_once([Event(text.encode()) for text in texts], named, deadline=Deadline.after(10))


def send_first(log: StreamLog) -> object:
    return send(log, 1, "first", "second")


def send_second(log: StreamLog) -> object:
    return send(log, 2, "first", "second")


def send_third(log: StreamLog) -> object:
    return send(log, 3, "first", "second")


BY_TWO = ("before", "by another process", "and again")
SEQUENCE = ("before", "sequence 1")
SEQUENCES = {
    "first sequence of a log": Work(begun, send_first, ("first", "second")),
    "sequence": Work(with_a_sequence, send_second, ("first", "second"), SEQUENCE),
    "sequence behind another process": Work(
        with_sequences_of_two, send_third, ("first", "second"), (*SEQUENCE, "sequence 2")
    ),
    "sequence that seals": Work(full_with_a_sequence, send_second, ("first", "second"), SEQUENCE),
    "sequence that recovers": Work(with_a_sequence_after_a_reboot, send_second, ("first", "second"), SEQUENCE),
}
WORKS = {
    "append": Work(begun, write, ("first", "second")),
    "first append of a process": Work(opened_by_a_new_process, write, ("first", "second")),
    "append behind another process": Work(written_by_two, write, ("first", "second"), BY_TWO),
    "append that seals": Work(full, write, ("first", "second")),
    "append that resumes": Work(with_bytes_that_a_killed_process_left, write, ("first", "second")),
    "append that recovers": Work(after_a_reboot, write, ("first", "second")),
    "seal": Work(begun, StreamLog.seal),
    "seal behind another process": Work(written_by_two, StreamLog.seal, before=BY_TWO),
    "wait": Work(begun, lambda log: log.seal_if_due(for_waiter=True)),
    "wait that recovers": Work(after_a_reboot, lambda log: log.seal_if_due(for_waiter=True)),
    **SEQUENCES,
}


def outcome(work: Work, log: StreamLog) -> str:
    try:
        work.run(log)
    except AppendUnknown:
        assert work.offered, "only an append is unknown"
        return "unknown"
    except REFUSALS:
        return "refused"
    return "accepted"


def look_after(folder: Path, work: Work, log: StreamLog, result: str) -> None:
    append(log, "after")
    alarms = RecordedAlarms()
    other = open_log(folder, alarms=alarms)
    append(other, "by a new process")
    other.seal()
    append(log, "at last")
    texts = list(read(folder).values())
    came = [text for text in texts if text in work.offered]
    if result == "refused":
        assert came == [], "what was refused is not there"
    elif result == "accepted" or came:
        assert tuple(came) == work.offered, "whole, once and in order"
    assert [text for text in texts if text not in work.offered] == [
        *work.before,
        "after",
        "by a new process",
        "at last",
    ]
    assert sorted(read(folder)) == list(range(len(texts)))
    for file in segment_files(log.path)[:-1]:
        contents = read_sealed(file.path)
        assert contents.sha256 == contents.identity
        assert contents.holes == ()
    log.close()
    other.close()


def calls_of(work: Work, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    log, calls = work.prepare(folder), FailingCalls()
    with calls.during(monkeypatch):
        assert outcome(work, log) == "accepted"
    log.close()
    shutil.rmtree(folder)
    return calls.names


@pytest.mark.series
@EACH_KIND
@pytest.mark.parametrize("name", WORKS)
def test_whatever_call_fails_there_are_three_outcomes(
    name: str, number: int, lasting: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = WORKS[name]
    names = calls_of(work, root / "spool", monkeypatch)
    assert len(names) > 5
    for fail_at, call in some(list(enumerate(names)), KINDS.index((number, lasting))):
        folder = root / f"spool{fail_at}"
        log, calls = work.prepare(folder), FailingCalls()
        calls.fail_at, calls.number, calls.lasting = fail_at, number, lasting
        try:
            with calls.during(monkeypatch):
                result = outcome(work, log)
            look_after(folder, work, log, result)
        except Exception as error:
            raise AssertionError(f"call {fail_at} ({call}) of {names}") from error
        shutil.rmtree(folder)


@pytest.mark.series
@EACH_KIND
@pytest.mark.parametrize("name", SEQUENCES)
def test_whatever_call_fails_a_sequence_that_is_sent_again_is_written_once(
    name: str, number: int, lasting: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = WORKS[name]
    names = calls_of(work, root / "spool", monkeypatch)
    for fail_at, call in some(list(enumerate(names)), KINDS.index((number, lasting))):
        folder = root / f"spool{fail_at}"
        log, calls = work.prepare(folder), FailingCalls()
        calls.fail_at, calls.number, calls.lasting = fail_at, number, lasting
        with calls.during(monkeypatch):
            outcome(work, log)
        work.run(log)
        work.run(open_log(folder))
        assert list(read(folder).values()) == [*work.before, *work.offered], f"call {fail_at} ({call}) of {names}"
        log.close()
        shutil.rmtree(folder)


def test_a_commit_whose_fsync_failed_is_adopted_by_nobody_where_even_the_mark_cannot_be_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = begun(root / "spool")
    calls = FailingCalls()
    names = calls_of(WORKS["append"], root / "clean", monkeypatch)
    calls.fail_at, calls.number, calls.lasting = names.index("fdatasync"), errno.EROFS, True
    with calls.during(monkeypatch), pytest.raises(AppendUnknown, match="fsync of segment 0 failed"):
        append(log, "doubtful")
    append(open_log(root / "spool"), "after")
    assert list(read(root / "spool").values()) == ["before", "after"]
    assert [file.state for file in segment_files(log.path)] == ["sealed", "open"], "the segment is not written again"
