"""One log, used by threads, processes and after errors of its disk."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from pathlib import Path

import pytest

from spool import clock
from spool.clock import Deadline
from spool.errors import AppendUnknown, EventRefused, FolderRefused, SpoolFull
from spool.event import Event, OffsetRange
from spool.file_lock import is_locked
from spool.log import held_log, running_hash
from spool.log.file_system import refuse_network
from spool.log.folder import segment_files
from spool.log.local_alarms import LocalAlarms
from spool.log.reader import read_sealed, sealed_identity
from spool.log.shipped import NOTHING, ShippedState, read_shipped, write_shipped
from spool.log.stream_log import StreamLog
from tests.fakes.powered_host import boot
from tests.fakes.quick_disk import QuickDisk
from tests.fakes.simulated_disk import SimulatedDisk
from tests.support.log_host import append, open_log, open_segment, read

pytestmark = pytest.mark.usefixtures("boots")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def quick(folder: Path, **stream: object) -> StreamLog:
    return open_log(folder, disk=QuickDisk(), **stream)


def simulated(tmp_path: Path) -> tuple[SimulatedDisk, Path]:
    root = tmp_path / "disk"
    root.mkdir()
    return SimulatedDisk(root), root / "spool"


def test_offsets_are_dense_and_in_the_order_of_the_calls(folder: Path) -> None:
    log = quick(folder)
    assert append(log, "a", "b") == (OffsetRange(0, 2),)
    assert append(log, "c", group=True) == (OffsetRange(2, 3),)
    assert append(log) == ()
    assert read(folder) == {0: "a", 1: "b", 2: "c"}


def test_a_sealed_segment_is_read_whole_and_named_by_the_next_header(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    append(log, "b", "c")
    assert log.seal()
    path = segment_files(log.path)[0].path
    contents = read_sealed(path)
    assert [(c.first_offset, c.number, c.event_count) for c in contents.commits] == [(0, 0, 1), (1, 1, 2)]
    assert (contents.next_offset, contents.holes) == (3, ())
    assert (
        contents.sha256 == contents.identity == sealed_identity(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    )


def test_the_recorded_identity_is_right_when_two_processes_wrote_the_segment(folder: Path) -> None:
    one, other = quick(folder), quick(folder)
    for text in ("a", "b", "c"):
        append(one, text + "1")
        append(other, text + "2")
    one.seal()
    contents = read_sealed(segment_files(one.path)[0].path)
    assert contents.sha256 == contents.identity


def test_a_seal_that_failed_half_way_records_the_right_identity_later(tmp_path: Path) -> None:
    disk, folder = simulated(tmp_path)
    log = open_log(folder, disk=disk)
    append(log, "a")
    append(open_log(folder, disk=disk), "b")
    disk.fail_at("rename", errno.EIO)
    with pytest.raises(FolderRefused):
        log.seal()
    append(log, "c")
    log.seal()
    contents = read_sealed(segment_files(log.path)[0].path)
    assert contents.sha256 == contents.identity
    assert read(folder) == {0: "a", 1: "b", 2: "c"}


def test_a_log_without_commits_is_never_sealed(folder: Path) -> None:
    log = quick(folder)
    assert not log.seal()
    append(log, "a")
    assert log.seal()
    assert not log.seal()
    assert not log.seal_if_due(for_waiter=True)


def test_a_segment_is_sealed_when_it_is_full_before_the_next_commit(folder: Path) -> None:
    log = quick(folder, seal_bytes=1000)
    for count in range(12):
        append(log, f"{count}" * 50)
    files = segment_files(log.path)
    assert [file.state for file in files] == ["sealed"] * (len(files) - 1) + ["open"]
    assert len(files) > 3
    assert len(read(folder)) == 12


def test_a_segment_is_sealed_by_age(folder: Path) -> None:
    log = quick(folder, seal_age_s=1000.0)
    append(log, "a")
    assert not log.seal_if_due()
    young = quick(folder, seal_age_s=0.0)
    assert young.seal_if_due()


def test_a_waiter_has_it_sealed_unless_a_sealed_segment_waits_or_the_gap_is_not_over(folder: Path) -> None:
    log = quick(folder, seal_gap_s=0.0)
    append(log, "a")
    assert log.seal_if_due(for_waiter=True)
    append(log, "b")
    assert not log.seal_if_due(for_waiter=True), "segment 0 waits to be shipped"
    write_shipped(log.path, ShippedState(0, 1))
    patient = quick(folder, seal_gap_s=1000.0)
    assert not patient.seal_if_due(for_waiter=True), "the gap is not over"
    assert log.seal_if_due(for_waiter=True)


def test_threads_share_one_log(folder: Path) -> None:
    log = quick(folder, seal_bytes=20_000)
    threads = [
        threading.Thread(target=lambda n=n: [append(log, f"{n}-{count}") for count in range(50)]) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read(folder)
    assert sorted(found) == list(range(400))
    for number in range(8):
        own = [text for _, text in sorted(found.items()) if text.startswith(f"{number}-")]
        assert own == [f"{number}-{count}" for count in range(50)], "a thread's events keep their order"


def test_forked_children_append_to_the_log_of_their_parent_while_its_threads_write(folder: Path) -> None:
    log = quick(folder)
    stop = threading.Event()
    written: list[str] = []

    def write() -> None:
        while not stop.is_set():
            append(log, text := f"parent-{len(written)}")
            written.append(text)

    thread = threading.Thread(target=write)
    thread.start()
    children = []
    for number in range(6):
        child = os.fork()
        if child == 0:
            append(log, f"child-{number}")
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    stop.set()
    thread.join()
    assert codes == [0] * 6
    assert sorted(read(folder).values()) == sorted([*written, *(f"child-{number}" for number in range(6))])


# The disk.


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failed_fsync_is_unknown_and_the_log_goes_on_in_a_new_segment(tmp_path: Path, number: int) -> None:
    disk, folder = simulated(tmp_path)
    log, other = open_log(folder, disk=disk), open_log(folder, disk=disk)
    append(log, "a")
    disk.fail_at("sync_data", number)
    with pytest.raises(AppendUnknown, match="fsync of segment 0 failed"):
        append(log, "doubtful")
    failed = open_segment(folder).path
    size = failed.stat().st_size
    assert append(other, "b") == (OffsetRange(1, 2),), "another process sees the mark as well"
    assert [file.state for file in segment_files(log.path)] == ["sealed", "open"]
    assert segment_files(log.path)[0].path.stat().st_size < size, "closed where it was synced"
    append(log, "c")
    assert read(folder) == {0: "a", 1: "b", 2: "c"}


def test_a_failed_fsync_of_the_first_commit_leaves_no_trace(tmp_path: Path) -> None:
    disk, folder = simulated(tmp_path)
    log = open_log(folder, disk=disk)
    log.synced()
    disk.fail_at("sync_data", errno.EIO)
    with pytest.raises(AppendUnknown):
        append(log, "doubtful")
    assert append(log, "a") == (OffsetRange(0, 1),)
    assert read(folder) == {0: "a"}


@pytest.mark.parametrize("room", range(0, 300, 13))
def test_a_full_disk_refuses_and_what_was_written_is_cut_again(tmp_path: Path, room: int) -> None:
    disk, folder = simulated(tmp_path)
    log = open_log(folder, disk=disk)
    append(log, "a")
    size = open_segment(folder).path.stat().st_size
    disk.room_bytes = room
    with pytest.raises(SpoolFull):
        append(log, "x" * 300)
    assert open_segment(folder).path.stat().st_size == size
    disk.room_bytes = None
    append(log, "b")
    assert read(folder) == {0: "a", 1: "b"}


def test_short_writes_are_continued(tmp_path: Path) -> None:
    disk, folder = simulated(tmp_path)
    disk.chunk_bytes = 7
    log = open_log(folder, disk=disk)
    append(log, "a" * 100)
    log.seal()
    append(log, "b")
    assert read(folder) == {0: "a" * 100, 1: "b"}


def test_sealing_works_on_a_full_disk_by_the_reserve_which_is_taken_again_later(tmp_path: Path) -> None:
    disk, folder = simulated(tmp_path)
    log = open_log(folder, disk=disk)
    append(log, "a")
    disk.room_bytes = 0
    assert log.seal()
    assert not (folder / "_reserve").exists()
    disk.room_bytes = None
    append(log, "b")
    log.seal()
    assert (folder / "_reserve").exists()


def test_a_disk_that_cannot_even_cut_fails_the_segment(tmp_path: Path) -> None:
    disk, folder = simulated(tmp_path)
    log = open_log(folder, disk=disk)
    append(log, "a")
    disk.fail_at("write_at", errno.EIO)
    disk.fail_at("truncate", errno.EIO)
    with pytest.raises(AppendUnknown, match="could not be cut"):
        append(log, "doubtful")
    append(log, "b")
    assert read(folder) == {0: "a", 1: "b"}
    assert len(segment_files(log.path)) == 2


def test_an_error_while_the_log_is_begun_is_a_refusal(tmp_path: Path) -> None:
    # The first file opened is the reserve, without which a log works.
    for operation, at_call in (
        ("open", 2), ("make_folder", 1), ("sync_folder", 1), ("write_at", 1), ("sync_data", 1), ("rename", 1),
    ):  # fmt: skip
        shutil.rmtree(tmp_path / "disk", ignore_errors=True)
        disk, folder = simulated(tmp_path)
        disk.fail_at(operation, errno.EIO, at_call=at_call)
        with pytest.raises(FolderRefused):
            append(open_log(folder, disk=disk), "a")
        append(open_log(folder, disk=disk), "b")
        assert read(folder) == {0: "b"}, operation


# Refusals.


def test_a_refused_event_leaves_the_call_unwritten(folder: Path) -> None:
    log = quick(folder)
    with pytest.raises(EventRefused):
        log.append([Event(b"a"), Event(b"x" * 10**6)], group=False, deadline=Deadline.after(5))
    append(log, "b")
    assert read(folder) == {0: "b"}


def test_a_network_file_system_is_refused_by_its_kind(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    line = "36 35 98:0 / {} rw,noatime master:1 - {} server:/export rw\n"
    mounts.write_text(line.format("/", "ext4") + line.format(tmp_path, "nfs4"), encoding="utf-8")
    with pytest.raises(FolderRefused, match="nfs4, a network file system"):
        refuse_network(tmp_path / "spool", mounts)
    mounts.write_text(line.format("/", "nfs4") + line.format(tmp_path, "xfs"), encoding="utf-8")
    refuse_network(tmp_path / "spool", mounts)


def test_a_folder_that_is_a_file_is_refused_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"")
    with pytest.raises(FolderRefused) as caught:
        quick(tmp_path / "spool")
    assert "SPOOL_FOLDER" in caught.value.hint


# Small files.


def test_what_was_shipped_reads_back_and_a_damaged_record_is_nothing(tmp_path: Path) -> None:
    assert read_shipped(tmp_path) == NOTHING
    write_shipped(tmp_path, ShippedState(4, 100))
    assert read_shipped(tmp_path) == (4, 100)
    (tmp_path / "shipped").write_bytes(b"{")
    assert read_shipped(tmp_path) == NOTHING


def test_an_alarm_is_kept_once_until_it_is_closed(tmp_path: Path) -> None:
    alarms = LocalAlarms(tmp_path)
    alarms.open("log_hole", "events/a", "first")
    alarms.open("log_hole", "events/a", "second")
    alarms.open("log_hole", "events/b", "other")
    assert [(a.subject, a.evidence) for a in LocalAlarms(tmp_path).all()] == [
        ("events/a", "first"),
        ("events/b", "other"),
    ]
    alarms.close("log_hole", "events/a")
    assert [a.closed_ms > 0 for a in alarms.all()] == [True, False]
    alarms.open("log_hole", "events/a", "again")
    assert [a.closed_ms for a in alarms.all()] == [0, 0]


def test_an_alarm_that_cannot_be_kept_fails_nobody(tmp_path: Path) -> None:
    (tmp_path / "_alarms").write_bytes(b"a file, not a folder")
    LocalAlarms(tmp_path).open("log_hole", "events/a", "evidence")


# Where even the notes of errors fail.


def another_process(folder: Path, disk: SimulatedDisk, monkeypatch: pytest.MonkeyPatch) -> StreamLog:
    """It knows nothing of what this one remembers."""
    monkeypatch.setattr(held_log, "_unmarked_failures", {})
    return open_log(folder, disk=disk)


def no_room(*_: object) -> None:
    """Nothing of the note is written: the old one stays whole."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_another_process_does_not_go_on_in_a_segment_whose_mark_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, folder = simulated(tmp_path)
    log = open_log(folder, disk=disk)
    append(log, "a")
    disk.fail_at("sync_data", errno.EIO)
    with monkeypatch.context() as patch:
        patch.setattr(held_log, "write_state", no_room)
        with pytest.raises(AppendUnknown, match="fsync of segment 0 failed"):
            append(log, "doubtful")
    other = another_process(folder, disk, monkeypatch)
    append(other, "b")
    assert [file.state for file in segment_files(other.path)] == ["sealed", "open"]
    append(log, "c")
    assert read(folder) == {0: "a", 1: "b", 2: "c"}


def test_the_mark_that_could_not_be_written_does_not_cut_what_another_process_appended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, folder = simulated(tmp_path)
    log = open_log(folder, disk=disk)
    append(log, "a")
    disk.fail_at("sync_data", errno.EIO)
    disk.fail_at("write_at", errno.EROFS, at_call=2)
    disk.fail_at("truncate", errno.EROFS)
    with pytest.raises(AppendUnknown):
        append(log, "doubtful")
    remembered = held_log._unmarked_failures
    append(another_process(folder, disk, monkeypatch), "b")
    monkeypatch.setattr(held_log, "_unmarked_failures", remembered)
    append(log, "c")
    texts = list(read(folder).values())
    assert [text for text in texts if text != "doubtful"] == ["a", "b", "c"]


def test_bytes_that_cannot_be_read_back_fail_no_append_that_is_durable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = quick(folder)
    append(log, "a")
    again = quick(folder)

    class Unreadable:
        @staticmethod
        def pread(descriptor: int, size: int, at: int) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(running_hash, "os", Unreadable)
    assert append(again, "b") == (OffsetRange(1, 2),)
    monkeypatch.undo()
    monkeypatch.setattr(clock, "BOOT_ID_FILE", folder.parent / "boot_id")
    append(again, "c")
    again.seal()
    contents = read_sealed(segment_files(again.path)[0].path)
    assert contents.sha256 == contents.identity


# Alarms.


class NoticingAlarms:
    """Says whether the log's lock was free when an alarm came; and is broken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.free: dict[str, bool] = {}

    def open(self, condition: str, subject: str, evidence: str) -> None:
        locks = [*self._folder.glob("*/*/lock"), *self._folder.glob("*/stream.lock")]
        self.free[condition] = not any(is_locked(path) for path in locks)
        raise TypeError("the book of alarms is of a newer version")

    def close(self, condition: str, subject: str) -> None:
        raise TypeError("the book of alarms is of a newer version")


def test_alarms_come_when_the_lock_is_free_and_a_broken_sink_fails_nobody(folder: Path) -> None:
    log = quick(folder)
    append(log, "a" * 100)
    path = open_segment(folder).path
    path.write_bytes(path.read_bytes()[:-50] + b"\0" * 50)
    boot()
    alarms = NoticingAlarms(folder)
    assert append(open_log(folder, disk=QuickDisk(), alarms=alarms), "b")
    assert alarms.free == {"log_suspected_hole": True}


def test_the_alarm_of_a_cloned_folder_comes_when_the_locks_are_free(tmp_path: Path) -> None:
    append(quick(tmp_path / "spool"), "a")
    shutil.copytree(tmp_path / "spool", tmp_path / "clone")
    alarms = NoticingAlarms(tmp_path / "clone")
    append(open_log(tmp_path / "clone", disk=QuickDisk(), alarms=alarms), "b")
    assert alarms.free == {"log_cloned": True}
