"""The files of a log's folder: removed, damaged, copied, moved, newer, or another log's."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from spool import clock
from spool.clock import Deadline
from spool.errors import CorruptSegment, FolderRefused
from spool.event import OffsetRange
from spool.format import segment_header
from spool.format.segment_header import decode_segment_header
from spool.log import identity, lock_file, stream_log
from spool.log.folder import LogFolder, log_folders, segment_files
from spool.log.identity import read_identity, write_successor
from spool.log.local_alarms import LocalAlarms
from spool.log.reader import read_sealed, tail
from spool.log.shipped import ShippedState, write_shipped
from spool.log.stream_log import StreamLog
from tests.fakes.powered_host import boot
from tests.fakes.quick_disk import QuickDisk
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.fakes.simulated_disk import SimulatedDisk
from tests.support.log_host import append, open_log, open_segment, read, read_log

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


def test_a_removed_lock_file_does_not_let_two_write_at_once(folder: Path) -> None:
    one = quick(folder)
    append(one, "a")
    (one.path / "lock").unlink()
    other = quick(folder)
    append(other, "b")
    append(one, "c")
    append(other, "d")
    assert read(folder) == {0: "a", 1: "b", 2: "c", 3: "d"}


def test_a_damaged_lock_file_costs_nothing(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    (log.path / "lock").write_bytes(b"\xff" * 200)
    append(log, "b")
    assert read(folder) == {0: "a", 1: "b"}


def test_a_segment_of_a_newer_version_is_refused_and_left_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = quick(folder)
    monkeypatch.setattr(segment_header, "VERSION", 2)
    append(log, "a")
    monkeypatch.undo()
    monkeypatch.setattr(clock, "BOOT_ID_FILE", folder.parent / "boot_id")
    boot()
    data = open_segment(folder).path.read_bytes()
    with pytest.raises(CorruptSegment, match="format version 2"):
        append(quick(folder), "b")
    assert open_segment(folder).path.read_bytes() == data


def test_a_segment_of_another_log_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    mine, other = quick(tmp_path / "mine"), quick(tmp_path / "other")
    append(mine, "a")
    append(other, "b")
    shutil.copyfile(open_segment(tmp_path / "other").path, open_segment(tmp_path / "mine").path)
    boot()
    data = open_segment(tmp_path / "mine").path.read_bytes()
    with pytest.raises(CorruptSegment, match="belongs to events/"):
        append(mine, "c")
    assert open_segment(tmp_path / "mine").path.read_bytes() == data


def test_a_torn_header_behind_a_shipped_segment_begins_where_that_ended(folder: Path) -> None:
    log = quick(folder)
    append(log, "a", "b")
    log.seal()
    first = segment_files(log.path)[0]
    write_shipped(log.path, ShippedState(first.segment, 2))
    first.path.unlink()
    segment_files(log.path)[0].path.write_bytes(b"")
    boot()
    assert append(quick(folder), "c") == (OffsetRange(2, 3),)


def test_a_torn_header_of_which_nothing_tells_the_offset_is_refused(folder: Path) -> None:
    log = quick(folder)
    append(log, "a", "b")
    log.seal()
    segment_files(log.path)[0].path.unlink()
    segment_files(log.path)[0].path.write_bytes(b"")
    boot()
    with pytest.raises(CorruptSegment, match="no earlier segment shows its offset"):
        append(quick(folder), "c")


def test_a_cloned_folder_ends_the_old_log_and_begins_one_after_it(tmp_path: Path) -> None:
    log = quick(tmp_path / "spool")
    append(log, "a")
    log.seal()
    append(log, "b")
    shutil.copytree(tmp_path / "spool", tmp_path / "clone")
    alarms = RecordedAlarms()
    clone = open_log(tmp_path / "clone", disk=QuickDisk(), alarms=alarms)
    assert clone.id != log.id
    assert append(clone, "c") == (OffsetRange(0, 1),)
    assert alarms.ever == ["log_cloned"]
    logs = {one.log: one for one in log_folders(tmp_path / "clone")}
    assert read_log(logs[log.id]) == {0: "a", 1: "b"}
    assert [file.state for file in segment_files(logs[log.id].path)] == ["sealed", "sealed", "open"]
    header, _ = decode_segment_header(segment_files(clone.path)[0].path.read_bytes(), "")
    assert header.after == (log.id, 1)
    assert read_identity(logs[log.id].path).successor == clone.id
    assert quick(tmp_path / "clone").id == clone.id, "opened again, it stays"
    append(log, "d")
    assert read(tmp_path / "spool") == {0: "a", 1: "b", 2: "d"}, "the original goes on"


def test_a_moved_folder_on_one_file_system_goes_on(tmp_path: Path) -> None:
    log = quick(tmp_path / "spool")
    append(log, "a")
    log.close()
    (tmp_path / "spool").rename(tmp_path / "moved")
    moved = quick(tmp_path / "moved")
    assert moved.id == log.id
    append(moved, "b")
    assert read(tmp_path / "moved") == {0: "a", 1: "b"}


def test_appenders_follow_a_log_to_its_successor(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    old = LogFolder("events", log.id, log.path)
    successor = shutil.copytree(log.path, log.path.with_name("successor"), ignore=lambda _, names: names)
    document = json.loads((log.path / "log.json").read_text(encoding="utf-8"))
    document |= {"log": "successor", "inode": successor.stat().st_ino, "after": [log.id, 0]}
    (successor / "log.json").write_text(json.dumps(document), encoding="utf-8")
    write_successor(log.path, QuickDisk(), "successor")
    writer = log._writer
    writer.retire(Deadline.after(5))
    assert append(log, "b") == (OffsetRange(0, 1),)
    assert log.id == "successor"
    assert read_log(old) == {0: "a"}


def test_a_retired_log_stays_retired_when_it_is_recovered(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    old = LogFolder("events", log.id, log.path)
    write_successor(log.path, QuickDisk(), "successor")
    log._writer.retire(Deadline.after(5))
    (log.path / "lock").write_bytes(b"")
    append(log, "b")
    assert read_log(old) == {0: "a"}
    assert log.id != old.log


def test_a_reader_sees_the_open_segment_only_up_to_the_synced_end(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    file = open_segment(folder)
    whole = file.path.read_bytes()
    append(log, "b")
    both = file.path.read_bytes()
    log.close()
    (one,) = log_folders(folder)
    state = log.synced()
    lock_file.write_state(QuickDisk(), log._writer._held.lock.descriptor, state._replace(synced_end=len(whole)))
    assert len(both) > len(whole)
    assert read(folder) == {0: "a"}
    assert [commit.first_offset for commit in tail(one, 1)] == []


def test_commits_that_come_back_beyond_the_next_header_are_not_read(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    append(log, "cut")
    whole = open_segment(folder).path.read_bytes()
    log._writer._held.note(log.synced()._replace(flags=lock_file.FAILED, synced_end=_end_of_first_commit(whole)))
    append(log, "b")
    sealed = segment_files(log.path)[0].path
    sealed.write_bytes(whole)
    contents = read_sealed(sealed)
    assert [commit.first_offset for commit in contents.commits] == [0]
    assert contents.next_offset == 1
    assert contents.holes == ()


def _end_of_first_commit(data: bytes) -> int:
    _, size = decode_segment_header(data, "")
    return size + 12 + int.from_bytes(data[size + 8 : size + 12], "big")


def test_a_log_that_is_retired_without_a_successor_is_refused_instead_of_tried_again(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    log._writer.retire(Deadline.after(5))
    with pytest.raises(FolderRefused, match="names no successor"):
        append(log, "b", timeout_s=60)


def test_sealing_follows_a_log_to_its_successor(folder: Path) -> None:
    log, other = quick(folder, seal_age_s=0.0), quick(folder)
    append(log, "a")
    write_successor(log.path, QuickDisk(), "successor")
    other._writer.retire(Deadline.after(5))
    append(other, "b")
    assert other.id != log.id
    assert log.seal_if_due(), "what was appended to the successor is due"
    assert log.id == other.id
    append(other, "c")
    assert log.seal()


def test_a_running_process_begins_a_new_log_where_the_old_ones_folder_was_moved_away(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    old = log.id
    log.path.rename(folder.parent / "moved away")
    assert append(log, "b") == (OffsetRange(0, 1),)
    assert log.id != old
    assert read(folder) == {0: "b"}


def test_a_running_process_begins_a_new_log_where_the_whole_folder_was_moved_away(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    folder.rename(folder.parent / "moved away")
    assert not log.seal(), "the new log is empty"
    append(log, "b")
    assert read(folder) == {0: "b"}


def lose_open_segment(log: StreamLog, folder: Path) -> StreamLog:
    """A commit is appended; then power loss leaves nothing but zeros in its segment."""
    append(log, "lost" * 100)
    damaged = open_segment(folder).path
    damaged.write_bytes(bytes(damaged.stat().st_size))
    boot()
    return quick(folder)


def test_a_hole_that_takes_a_whole_segment_is_named_by_that_segment(folder: Path) -> None:
    log = quick(folder)
    append(log, "a", "b", "c", "d", "e")
    log.seal()
    first = segment_files(log.path)[0]
    write_shipped(log.path, ShippedState(first.segment, 5))
    append(log, "x")
    first.path.unlink()
    log = lose_open_segment(log, folder)
    append(log, "after")
    log.seal()
    contents = read_sealed(segment_files(log.path)[0].path)
    (hole,) = contents.holes
    assert (hole.first, hole.next) == (5, contents.commits[0].first_offset)
    assert contents.first_offset == 5
    assert contents.header.first_offset > 5


def test_a_hole_in_front_of_a_segment_belongs_to_it_and_not_to_the_one_before(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    log.seal()
    log = lose_open_segment(log, folder)
    append(log, "after")
    log.seal()
    one, other = (read_sealed(file.path) for file in segment_files(log.path)[:2])
    assert one.holes == ()
    assert one.next_offset == other.first_offset == other.holes[0].first


def test_files_and_folders_of_the_spool_are_for_their_owner_only(folder: Path) -> None:
    before = os.umask(0)
    try:
        log = open_log(folder)
        append(log, "a")
        log.seal()
        append(log, "b")
        boot()
        with open_segment(folder).path.open("ab") as file:
            file.write(b"torn")
        append(open_log(folder), "c")
        LocalAlarms(folder).open("log_hole", "events/a", "evidence")
    finally:
        os.umask(before)
    modes = {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert {name for name, mode in modes.items() if mode not in (0o600, 0o700)} == set()
    assert len(modes) > 8


def test_a_log_of_another_machine_is_ended_and_continued(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = quick(folder)
    append(log, "a")
    log.close()
    monkeypatch.setattr(identity, "machine_id", lambda: "another machine, which mounts the same disk")
    other = quick(folder)
    assert other.id != log.id
    assert append(other, "b") == (OffsetRange(0, 1),)
    assert read_identity(log.path).successor == other.id


def test_a_segment_that_lost_bytes_below_its_synced_end_is_closed_and_not_written_behind_the_gap(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    whole = open_segment(folder).path.stat().st_size
    append(log, "lost")
    path = open_segment(folder).path
    os.truncate(path, whole)
    append(log, "b")
    assert [file.state for file in segment_files(log.path)] == ["sealed", "open"]
    assert list(read(folder).values()) == ["a", "b"]


def test_a_reboot_is_no_reason_to_believe_what_the_lock_file_says(folder: Path) -> None:
    log = quick(folder, seal_age_s=0.0)
    append(log, "a")
    state = log.synced()
    boot()
    again = quick(folder)
    assert again.synced().segment == state.segment + 1, "recovered: the clock of first_commit_ns began again at 0"


def test_a_network_file_system_is_refused_before_anything_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(asked: Path) -> None:
        assert asked == folder
        raise FolderRefused("a network file system", hint="use a local disk")

    monkeypatch.setattr(stream_log, "refuse_network", refuse)
    with pytest.raises(FolderRefused, match="a network file system"):
        quick(folder)
    assert not folder.exists()


def test_what_a_killed_process_left_is_cut_where_it_is_no_whole_commit(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    state = log.synced()
    append(log, "of the killed process" * 200)
    os.truncate(open_segment(folder).path, log.synced().synced_end - 10)
    log._writer._held.note(state)
    append(log, "b")
    assert open_segment(folder).path.stat().st_size == log.synced().synced_end
    log.seal()
    contents = read_sealed(segment_files(log.path)[0].path)
    assert contents.holes == ()
    assert contents.sha256 == contents.identity
    assert read(folder) == {0: "a", 1: "b"}


def test_a_whole_commit_that_a_killed_process_left_is_adopted(folder: Path) -> None:
    log = quick(folder)
    append(log, "a")
    state = log.synced()
    append(log, "of the killed process")
    log._writer._held.note(state)
    assert read(folder) == {0: "a"}
    assert append(log, "b") == (OffsetRange(2, 3),)
    assert read(folder) == {0: "a", 1: "of the killed process", 2: "b"}


@pytest.mark.parametrize("place", range(8, lock_file.SIZE_BYTES, 5))
def test_a_damaged_byte_of_the_lock_files_record_costs_nothing(folder: Path, place: int) -> None:
    log = quick(folder)
    append(log, "a")
    record = bytearray((log.path / "lock").read_bytes())
    record[place] ^= 0x55
    (log.path / "lock").write_bytes(record)
    append(log, "b")
    append(quick(folder), "c")
    assert read(folder) == {0: "a", 1: "b", 2: "c"}
