"""Group commit: which caller waits for which, what is split, what is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from spool.clock import Deadline
from spool.errors import AppendUnknown, EventRefused, LockTimeout, SpoolFull
from spool.event import COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, EVENT_BYTES_MAX, Event
from spool.format.event_record import Record, encode
from spool.format.position_header import decode_local
from spool.format.record_batch import records
from spool.log import commit_queue
from spool.log.commit_queue import COMMITS_WAITING_MAX, CommitQueue
from spool.log.pending_commit import PendingCommit
from tests.support.waiting import until


class Writer:
    """Gives out offsets; waits or fails on request."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.frames: list[bytes] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.errors: list[BaseException] = []

    def __call__(self, commit: PendingCommit, deadline: Deadline) -> None:
        self.entered.set()
        assert self.open.wait(240)
        if self.errors:
            raise self.errors.pop(0)
        commit.first_offset = sum(self.sizes)
        self.sizes.append(commit.event_count)
        self.frames.append(bytes(commit.builder.build()))


def some(count: int, size: int = 1) -> list[Record]:
    return encode([Event(b"v" * size)] * count, EVENT_BYTES_MAX)


def soon() -> Deadline:
    return Deadline.after(10)


def in_threads(*works: Callable[[], object]) -> Callable[[], list[object]]:
    """Start them; the result joins and gives what each returned or raised."""
    results: list[object] = [None] * len(works)

    def body(place: int, work: Callable[[], object]) -> None:
        try:
            results[place] = work()
        except BaseException as error:
            results[place] = error

    threads = [threading.Thread(target=body, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()

    def join() -> list[object]:
        for thread in threads:
            thread.join(240)
            assert not thread.is_alive()
        return results

    return join


def wait_until(condition: Callable[[], object]) -> None:
    until(condition, "the queue is so", every_s=0.001)


def test_calls_that_come_while_one_writes_share_the_next_commit() -> None:
    writer = Writer()
    queue = CommitQueue(writer)
    writer.open.clear()
    first = in_threads(lambda: queue.commit(some(1), group=False, deadline=soon()))
    writer.entered.wait(240)
    others = in_threads(*[lambda: queue.commit(some(2), group=False, deadline=soon())] * 5)
    wait_until(lambda: queue._waiting and queue._waiting[0].event_count == 10)
    writer.open.set()
    first()
    ranges = sorted(parts[0].offsets() for parts in others())  # type: ignore[index]
    assert writer.sizes == [1, 10]
    assert ranges == [(1, 3), (3, 5), (5, 7), (7, 9), (9, 11)]


def test_a_call_above_the_limit_of_events_is_split_and_keeps_its_order() -> None:
    writer = Writer()
    parts = CommitQueue(writer).commit(some(COMMIT_EVENTS_MAX + 1), group=False, deadline=soon())
    assert writer.sizes == [COMMIT_EVENTS_MAX, 1]
    assert [part.offsets() for part in parts] == [(0, 50_000), (50_000, 50_001)]


def test_no_commit_is_above_the_limit_of_bytes() -> None:
    writer = Writer()
    CommitQueue(writer).commit(some(30, size=800_000), group=False, deadline=soon())
    assert sum(writer.sizes) == 30
    assert max(map(len, writer.frames)) <= COMMIT_BYTES_MAX


def test_a_group_lies_in_one_commit_and_says_its_size_once() -> None:
    writer = Writer()
    queue = CommitQueue(writer)
    writer.open.clear()
    first = in_threads(lambda: queue.commit(some(8, size=800_000), group=False, deadline=soon()))
    writer.entered.wait(240)
    filling = in_threads(lambda: queue.commit(some(8, size=800_000), group=False, deadline=soon()))
    wait_until(lambda: queue._waiting and queue._waiting[0].event_count == 8)
    group = in_threads(lambda: queue.commit(some(4, size=800_000), group=True, deadline=soon()))
    wait_until(lambda: len(queue._waiting) == 2)
    writer.open.set()
    first(), filling(), group()
    assert writer.sizes == [8, 8, 4]
    headers = [dict(record.headers).get("spool") for record in records(writer.frames[2])]
    assert decode_local(headers[0] or b"") == 4
    assert headers[1:] == [None] * 3


@pytest.mark.parametrize(("count", "size"), [(0, 1), (COMMIT_EVENTS_MAX + 1, 1), (12, 800_000)])
def test_a_group_that_no_commit_holds_is_refused(count: int, size: int) -> None:
    writer = Writer()
    with pytest.raises(EventRefused, match=f"a group of {count} events"):
        CommitQueue(writer).commit(some(count, size), group=True, deadline=soon())
    assert writer.sizes == []


def test_a_full_queue_waits_until_the_deadline_and_then_refuses() -> None:
    writer = Writer()
    queue = CommitQueue(writer)
    writer.open.clear()
    group = some(9, size=800_000)
    first = in_threads(lambda: queue.commit(group, group=True, deadline=soon()))
    writer.entered.wait(240)
    others = in_threads(*[lambda: queue.commit(group, group=True, deadline=soon())] * COMMITS_WAITING_MAX)
    wait_until(lambda: len(queue._waiting) == COMMITS_WAITING_MAX)
    with pytest.raises(SpoolFull):
        queue.commit(group, group=True, deadline=Deadline.after(0.05))
    writer.open.set()
    first(), others()
    assert writer.sizes == [9] * (COMMITS_WAITING_MAX + 1), "what was refused is not written"


def test_a_call_that_finds_no_room_for_its_second_half_is_unknown_not_refused() -> None:
    writer = Writer()
    queue = CommitQueue(writer)
    writer.open.clear()
    first = in_threads(lambda: queue.commit(some(9, 800_000), group=True, deadline=soon()))
    writer.entered.wait(240)
    halves = in_threads(
        lambda: queue.commit(some(10 * (COMMITS_WAITING_MAX + 1), 800_000), group=False, deadline=Deadline.after(0.2))
    )
    wait_until(lambda: len(queue._waiting) == COMMITS_WAITING_MAX)
    threading.Timer(0.5, writer.open.set).start()
    first()
    (answer,) = halves()
    assert isinstance(answer, AppendUnknown)
    assert "the call was split" in str(answer)


def test_a_failed_commit_fails_all_its_callers_and_no_other() -> None:
    writer = Writer()
    queue = CommitQueue(writer)
    writer.errors.append(LockTimeout("held"))
    with pytest.raises(LockTimeout):
        queue.commit(some(1), group=False, deadline=soon())
    queue.commit(some(1), group=False, deadline=soon())
    assert writer.sizes == [1]


def test_a_split_call_of_which_one_commit_failed_is_unknown() -> None:
    writer = Writer()
    queue = CommitQueue(writer)

    def fail_second(commit: PendingCommit, deadline: Deadline) -> None:
        if writer.sizes:
            raise SpoolFull("no space")
        writer(commit, deadline)

    queue._write = fail_second
    with pytest.raises(AppendUnknown, match="50000 of its events are durable"):
        queue.commit(some(COMMIT_EVENTS_MAX + 1), group=False, deadline=soon())


def test_an_interrupted_writer_leaves_the_others_an_answer() -> None:
    writer = Writer()
    queue = CommitQueue(writer)
    writer.open.clear()
    first = in_threads(lambda: queue.commit(some(1), group=False, deadline=soon()))
    writer.entered.wait(240)
    others = in_threads(*[lambda: queue.commit(some(1), group=False, deadline=soon())] * 2)
    wait_until(lambda: queue._waiting and queue._waiting[0].event_count == 2)
    writer.errors.append(KeyboardInterrupt())
    writer.open.set()
    assert isinstance(first()[0], KeyboardInterrupt)
    assert all(isinstance(answer, list) for answer in others())


def test_a_caller_does_not_wait_for_ever_behind_a_more_patient_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_queue, "ANSWER_S", 0.05)
    writer = Writer()
    queue = CommitQueue(writer)
    writer.open.clear()
    first = in_threads(lambda: queue.commit(some(1), group=False, deadline=soon()))
    writer.entered.wait(240)
    with pytest.raises(AppendUnknown, match="the deadline passed"):
        queue.commit(some(1), group=False, deadline=Deadline.after(0.05))
    writer.open.set()
    first()


def test_a_record_that_the_builder_refuses_does_not_spoil_the_commit_of_others() -> None:
    commit = PendingCommit(threading.Lock())
    good = some(1)[0]
    with pytest.raises(TypeError):
        commit.fill([good, (0, None, "text", [])], 0)  # type: ignore[list-item]
    commit.fill([good], 0)
    assert [record.offset for record in records(bytes(commit.builder.build()))] == [0, 1]


def test_a_commit_waits_as_long_as_its_most_patient_caller() -> None:
    deadlines: list[Deadline] = []
    writer = Writer()

    def write(commit: PendingCommit, deadline: Deadline) -> None:
        deadlines.append(deadline)
        writer(commit, deadline)

    queue = CommitQueue(write)
    writer.open.clear()
    first = in_threads(lambda: queue.commit(some(1), group=False, deadline=soon()))
    writer.entered.wait(240)
    patient, hasty = Deadline.after(600), soon()
    others = in_threads(lambda: queue.commit(some(1), group=False, deadline=patient))
    wait_until(lambda: queue._waiting and queue._waiting[0].event_count == 1)
    last = in_threads(lambda: queue.commit(some(1), group=False, deadline=hasty))
    wait_until(lambda: queue._waiting[0].event_count == 2)
    writer.open.set()
    first(), others(), last()
    assert deadlines[1:] == [patient]


def test_a_caller_that_writes_for_others_keeps_its_own_deadline_and_another_goes_on() -> None:
    patient = Deadline.after(600)
    writer = Writer()

    def write(commit: PendingCommit, deadline: Deadline) -> None:
        if deadline != patient:
            raise LockTimeout("another process holds the log")
        writer(commit, deadline)

    queue = CommitQueue(write)
    with queue._mutex:
        queue._writing = True
    hasty = in_threads(lambda: queue.commit(some(1), group=False, deadline=Deadline.after(30)))
    wait_until(lambda: queue._waiting and queue._waiting[0].event_count == 1)
    others = in_threads(lambda: queue.commit(some(1), group=False, deadline=patient))
    wait_until(lambda: queue._waiting[0].event_count == 2)
    with queue._mutex:
        queue._pass_on()
    (outcome,) = hasty()
    ((part,),) = others()  # type: ignore[misc]
    assert writer.sizes == [2]
    assert part.offsets() == (1, 2)
    assert isinstance(outcome, AppendUnknown), "its events were written, but it does not wait to hear that"


def test_a_hasty_caller_alone_is_refused_because_nothing_was_written() -> None:
    def write(commit: PendingCommit, deadline: Deadline) -> None:
        raise LockTimeout("another process holds the log")

    with pytest.raises(LockTimeout):
        CommitQueue(write).commit(some(1), group=False, deadline=Deadline.after(30))


def test_an_error_that_nobody_expects_is_unknown() -> None:
    def write(commit: PendingCommit, deadline: Deadline) -> None:
        raise MemoryError("no memory")

    with pytest.raises(AppendUnknown, match="MemoryError"):
        CommitQueue(write).commit(some(1), group=False, deadline=soon())


def test_the_others_of_a_commit_whose_writer_is_interrupted_hear_unknown() -> None:
    writer = Writer()
    queue = CommitQueue(writer)
    writer.open.clear()
    first = in_threads(lambda: queue.commit(some(1), group=False, deadline=soon()))
    writer.entered.wait(240)
    others = in_threads(*[lambda: queue.commit(some(1), group=False, deadline=soon())] * 3)
    wait_until(lambda: queue._waiting and queue._waiting[0].event_count == 3)

    def interrupt(commit: PendingCommit, deadline: Deadline) -> None:
        raise KeyboardInterrupt

    queue._write = interrupt
    writer.open.set()
    first()
    kinds = sorted(type(outcome).__name__ for outcome in others())
    assert kinds == ["AppendUnknown", "AppendUnknown", "KeyboardInterrupt"]
