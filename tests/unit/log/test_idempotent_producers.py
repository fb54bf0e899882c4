"""Appends under a sequence: the same one is written once, however often and by whomever it is sent (rule 6)."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from spool.clock import Deadline, now_ms
from spool.errors import EventRefused, ProducerConflict, ProducerMoved
from spool.event import COMMIT_EVENTS_MAX, Event, OffsetRange, ProducerPosition, ProducerSequence
from spool.format.position_header import Unit, decode_local, decode_unit, encode_local, encode_unit
from spool.log import producer_file, producers
from spool.log.folder import segment_files
from spool.log.producers import CLIENT_KEPT_MS, Entry, ProducerTable
from spool.log.stream_log import StreamLog
from spool.log.unit_commit import PendingUnit
from spool.shipping import waiting_segments
from tests.fakes.memory_store import MemoryStore
from tests.support.log_host import append, open_log, read
from tests.support.spool_host import SpoolHost, archived, values

EVENTS = [Event(b"a", key=b"k"), Event(b"b", key=b"k")]


def send(
    log: StreamLog, sequence: int, events: Sequence[Event] = EVENTS, *, producer: str = "p", to: str = ""
) -> PendingUnit:
    named = ProducerSequence(producer, sequence, to or log.id)
    return log.append_once(events, named, deadline=Deadline.after(10))


def test_a_sequence_that_is_sent_again_gets_its_positions_and_is_written_once(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    first = send(log, 1)
    again = send(log, 1)
    assert (first.offsets, again.offsets) == (OffsetRange(0, 2), OffsetRange(0, 2))
    assert (first.repeated, again.repeated) == (False, True)
    assert read(tmp_path) == {0: "a", 1: "b"}


def test_plain_appends_and_producers_share_a_log(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    append(log, "x")
    assert send(log, 1).offsets == OffsetRange(1, 3)
    append(log, "y")
    assert send(log, 1, producer="q").offsets == OffsetRange(4, 6)
    assert send(log, 1).repeated
    assert read(tmp_path) == {0: "x", 1: "a", 2: "b", 3: "y", 4: "a", 5: "b"}


def seal(log: StreamLog) -> None:
    log.seal()


def another_process(log: StreamLog) -> None:
    log.close()
    log._writer.forget()


def nothing(log: StreamLog) -> None:
    pass


@pytest.mark.parametrize("between", [nothing, seal, another_process])
@pytest.mark.parametrize("others", [False, True])
def test_what_lies_between_two_attempts_does_not_matter(
    tmp_path: Path, between: Callable[[StreamLog], None], others: bool
) -> None:
    log, other = open_log(tmp_path), open_log(tmp_path)
    for sequence in range(1, 6):
        first = send(log, sequence)
        if others:
            append(other, f"other {sequence}")
        between(log)
        for sender in (log, other, open_log(tmp_path)):
            again = send(sender, sequence)
            assert (again.offsets, again.repeated) == (first.offsets, True)


@pytest.mark.parametrize(
    ("sequence", "events", "message"),
    [
        (1, EVENTS, "expected is 3 or 2 again"),
        (4, EVENTS, "expected is 3 or 2 again"),
        (2, EVENTS[:1], "with other events"),
        (2, [Event(b"a", key=b"k"), Event(b"c", key=b"k")], "with other events"),
        (2, [Event(b"a", key=b"kb"), Event(b"", key=b"k")], "with other events"),
        (2, [Event(b"a", key=None), Event(b"b", key=b"k")], "with other events"),
    ],
)
def test_a_sequence_that_does_not_follow_is_refused(
    tmp_path: Path, sequence: int, events: list[Event], message: str
) -> None:
    log = open_log(tmp_path)
    send(log, 1)
    send(log, 2)
    with pytest.raises(ProducerConflict, match=message):
        send(log, sequence, events)
    assert send(log, 3).offsets == OffsetRange(4, 6)


def test_ids_and_times_that_the_spool_gives_do_not_make_a_repetition_another_append(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    send(log, 1, [Event(b"a", id="x", time_ms=1)])
    assert send(log, 1, [Event(b"a", id="y", time_ms=2)]).repeated


def test_a_producer_that_nobody_knows_begins_at_1(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    with pytest.raises(ProducerConflict, match="expected is 1: it is not known, or was forgotten"):
        send(log, 7)
    assert send(log, 1).offsets == OffsetRange(0, 2)


@pytest.mark.parametrize("producer", ["", "x" * 201, "new\nline", "\ud800"])
def test_a_name_that_fits_nowhere_is_refused(tmp_path: Path, producer: str) -> None:
    with pytest.raises((EventRefused, UnicodeEncodeError)):
        send(open_log(tmp_path), 1, producer=producer)


@pytest.mark.parametrize("sequence", [0, -1, 2**63])
def test_a_number_that_fits_nowhere_is_refused(tmp_path: Path, sequence: int) -> None:
    with pytest.raises(EventRefused):
        send(open_log(tmp_path), sequence)


@pytest.mark.parametrize("events", [[], [Event(b"")] * (COMMIT_EVENTS_MAX + 1), [Event(b"x" * 800_000)] * 11])
def test_what_is_no_single_commit_is_refused(tmp_path: Path, events: list[Event]) -> None:
    log = open_log(tmp_path)
    with pytest.raises(EventRefused, match="a commit holds"):
        send(log, 1, events)
    assert send(log, 1).offsets == OffsetRange(0, 2)


def test_a_bad_unit_in_a_shared_commit_does_not_stop_the_others(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    send(log, 1, producer="bad")
    answers: dict[str, object] = {}

    def run(producer: str, sequence: int) -> None:
        try:
            answers[producer] = send(log, sequence, producer=producer).offsets.event_count
        except ProducerConflict as error:
            answers[producer] = type(error)

    threads = [threading.Thread(target=run, args=row) for row in (("p", 1), ("bad", 9), ("q", 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {"p": 2, "bad": ProducerConflict, "q": 2}


def _send_all(folder: Path, count: int) -> None:
    log = open_log(folder)
    for sequence in range(1, count + 1):
        try:
            send(log, sequence, [Event(b"%d" % sequence)])
        except ProducerConflict:
            # The other process is further on: everything up to there is written.
            continue
    os._exit(0)


def test_two_processes_that_send_the_same_write_it_once(tmp_path: Path) -> None:
    processes = [multiprocessing.get_context("fork").Process(target=_send_all, args=(tmp_path, 200)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert list(read(tmp_path).values()) == [str(sequence) for sequence in range(1, 201)]


def test_shipping_keeps_what_the_table_needs_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_segments, "KEPT_SEGMENTS_MAX", 4)
    store = MemoryStore()
    host = SpoolHost(tmp_path, store)
    positions = {}
    for sequence in range(1, 16):
        positions[f"p{sequence}"] = send(host.log, 1, producer=f"p{sequence}").offsets
        host.log.seal()
        host.ship()
        assert len(segment_files(host.log.path)) <= 4 + 2
    fresh = SpoolHost(tmp_path, store)
    for producer, offsets in positions.items():
        assert send(fresh.log, 1, producer=producer).offsets == offsets
    fresh.log.seal()
    fresh.ship()
    assert len(values(store)) == 30


def test_a_log_without_producers_keeps_nothing(tmp_path: Path) -> None:
    host = SpoolHost(tmp_path, MemoryStore())
    host.append_segments("a", 6)
    host.ship()
    assert len(segment_files(host.log.path)) == 1
    assert not (host.log.path / producer_file.FILE).exists()


def test_a_damaged_table_refuses_sequences_and_nothing_else(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    send(log, 1)
    path = log.path / producer_file.FILE
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(ProducerConflict, match="cannot be read"):
            send(open_log(tmp_path), 1)
    path.write_bytes(b"")
    with pytest.raises(ProducerConflict):
        send(open_log(tmp_path), 1)
    append(open_log(tmp_path), "x")


def test_segments_that_are_gone_and_needed_are_named(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    send(log, 1)
    log.seal()
    send(log, 2)
    (segment,) = [file for file in segment_files(log.path) if file.state == "sealed"]
    segment.path.unlink()
    with pytest.raises(ProducerConflict, match=segment.path.name):
        send(open_log(tmp_path), 2)


@pytest.mark.parametrize("later", [(), ("x",), ("x", "y", "z", "and more than were lost")])
def test_a_sequence_that_damage_took_from_the_log_is_written_again(tmp_path: Path, later: Sequence[str]) -> None:
    log = open_log(tmp_path)
    send(log, 1, [Event(b"one")])
    send(log, 2)
    damaged = segment_files(log.path)[-1].path
    os.truncate(damaged, damaged.stat().st_size - 1)
    other = open_log(tmp_path)
    other.synced()
    for text in later:
        append(other, text)
    other.seal()
    assert not send(log, 2).repeated
    assert send(log, 2).repeated
    assert list(read(tmp_path).values()) == ["one", *later, "a", "b"]


def test_an_older_table_never_replaces_a_newer_one(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    send(log, 1)
    for segment in (5, 3):
        table = ProducerTable({"p": Entry(segment, log.id, 0, 1, 0, now_ms())})
        producer_file.save_producers(log.path, log._disk, producer_file.SavedProducers(segment, 10 * segment, table))
    saved = producer_file.read_producers(log.path)
    assert saved is not None
    assert (saved.segment, saved.table.entries["p"].sequence) == (5, 5)


def test_clients_are_forgotten_after_a_day_and_sources_never(monkeypatch: pytest.MonkeyPatch) -> None:
    old = now_ms() - CLIENT_KEPT_MS - 1
    table = ProducerTable(
        {
            "client": Entry(1, "l", 0, 1, 0, old),
            "outbox/here/events": Entry(1, "l", 0, 1, 0, old),
            "young": Entry(1, "l", 0, 1, 0, now_ms()),
        }
    )
    table.age(now_ms())
    assert set(table.entries) == {"outbox/here/events", "young"}
    monkeypatch.setattr(producers, "CLIENTS_MAX", 2)
    crowd = ProducerTable({f"c{number}": Entry(1, "l", 0, 1, 0, now_ms() + number) for number in range(5)})
    crowd.age(now_ms())
    assert set(crowd.entries) == {"c3", "c4"}


def test_a_source_releases_its_entry(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    send(log, 1, producer="file/1")
    assert log.release_producer("file/1", Deadline.after(5))
    assert not log.release_producer("file/1", Deadline.after(5))
    assert send(open_log(tmp_path), 1, producer="file/1").offsets == OffsetRange(2, 4)


def test_a_repetition_gets_its_positions_even_where_the_stream_would_refuse_the_events_today(tmp_path: Path) -> None:
    large = [Event(b"x" * 5_000)]
    first = send(open_log(tmp_path), 1, large)
    lowered = open_log(tmp_path, event_bytes_max=1_000)
    again = send(lowered, 1, large)
    assert (again.offsets, again.repeated) == (first.offsets, True)
    for sequence in (2, 3):
        with pytest.raises(EventRefused if sequence == 2 else ProducerConflict):
            send(lowered, sequence, large)
    with pytest.raises(ProducerConflict):
        send(lowered, 1, [Event(b"y" * 5_000)])
    assert read(tmp_path) == {0: "x" * 5_000}


def test_an_event_of_wrong_types_is_refused_under_a_sequence_too(tmp_path: Path) -> None:
    with pytest.raises(EventRefused, match="types"):
        send(open_log(tmp_path), 1, [Event("text")])  # type: ignore[arg-type]


def test_a_producer_can_ask_what_the_log_knows_of_it(tmp_path: Path) -> None:
    log = open_log(tmp_path / "a")
    assert log.last_of("p", Deadline.after(5)) == ProducerPosition(log.id, 0, 0)
    append(log, "other")
    send(log, 1)
    assert log.last_of("p", Deadline.after(5)) == ProducerPosition(log.id, 1, 3)
    assert open_log(tmp_path / "a").last_of("p", Deadline.after(5)) == ProducerPosition(log.id, 1, 3)
    log.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    copy = open_log(tmp_path / "b")
    # The last append is in the log that this one continues: none of this log's events is of the producer.
    assert copy.last_of("p", Deadline.after(5)) == ProducerPosition(copy.id, 1, 0)


def test_a_copied_folder_goes_on_knowing_what_was_written(tmp_path: Path) -> None:
    log = open_log(tmp_path / "a")
    first = send(log, 1)
    log.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    copy = open_log(tmp_path / "b")
    assert copy.id != log.id
    again = send(copy, 1, to=log.id)
    assert (again.log, again.offsets, again.repeated) == (log.id, first.offsets, True)
    with pytest.raises(ProducerMoved) as moved:
        send(copy, 2, to=log.id)
    assert (moved.value.log, moved.value.certainly_not_written) == (copy.id, True)
    assert send(copy, 2, to=moved.value.log).log == copy.id


def test_a_sequence_for_a_log_that_nobody_knows_is_not_written(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    with pytest.raises(ProducerMoved) as moved:
        send(log, 1, to="lost")
    assert (moved.value.log, moved.value.certainly_not_written) == (log.id, False)
    assert read(tmp_path) == {}


def test_a_fork_moves_sequences_with_their_events(tmp_path: Path) -> None:
    store = MemoryStore()
    host = SpoolHost(tmp_path / "one", store)
    send(host.log, 1, [Event(b"shared")])
    twin = host.snapshot(tmp_path / "two", detected=False)
    send(host.log, 2, [Event(b"ours")])
    host.log.seal()
    host.ship()
    send(twin.log, 2, [Event(b"theirs")], to=host.log.id)
    twin.log.seal()
    twin.ship()
    again = send(twin.log, 2, [Event(b"theirs")], to=host.log.id)
    assert (again.repeated, again.log) == (True, twin.log.id)
    twin.log.seal()
    twin.ship()
    assert values(store) == ["ours", "shared", "theirs"]


@pytest.mark.parametrize("producer", ["p", "outbox/örtlich", "x" * 200])
def test_a_unit_reads_back_as_written(producer: str) -> None:
    unit = Unit(producer, 2**63 - 1, 50_000, 2**32 - 1, 2**32 - 1)
    assert decode_unit(encode_unit(unit)) == unit
    assert decode_unit(encode_local(7)) is None
    with pytest.raises(ValueError, match="bytes"):
        decode_unit(encode_unit(unit)[:20])


def test_the_file_is_readable_by_people(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    send(log, 1)
    head, *_ = (log.path / producer_file.FILE).read_text().splitlines()
    assert json.loads(head).keys() == {"version", "segment", "offset", "inherited", "sha256"}
    assert (log.path / producer_file.FILE).stat().st_mode & 0o777 == 0o600


def test_a_group_under_a_sequence_is_written_once_and_stays_a_group(tmp_path: Path) -> None:
    host = SpoolHost(tmp_path, MemoryStore())
    append(host.log, "x")
    named = ProducerSequence("dead_letter/a/7", 1, host.log.id)
    for _ in range(2):
        sent = host.log.append_once(EVENTS, named, deadline=Deadline.after(10), group=True)
        assert sent.offsets == OffsetRange(1, 3)
    append(host.log, "y")
    host.log.seal()
    host.ship()
    assert [(one.value, one.group) for one in archived(host.store)] == [
        (b"x", (0, 1)), (b"a", (1, 2)), (b"b", (1, 2)), (b"y", (3, 1)),
    ]  # fmt: skip


def test_the_header_of_a_unit_says_whether_it_is_a_group(tmp_path: Path) -> None:
    unit = Unit("dead_letter/a/7", 1, 5, 17, 1_700_000_000, is_group=True)
    assert decode_unit(encode_unit(unit)) == unit
    assert decode_local(encode_unit(unit)) == 5
    assert decode_local(encode_unit(unit._replace(is_group=False))) == 0
    damaged = encode_local(4) + encode_unit(unit)[len(encode_local(4)) :]
    with pytest.raises(ValueError, match="a group of 4 events in a unit of 5"):
        decode_unit(damaged)
