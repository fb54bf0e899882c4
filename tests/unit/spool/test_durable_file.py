"""Small files that are wholly there or not at all."""

from __future__ import annotations

import errno
import os
import random
import threading
from pathlib import Path

import pytest

from spool import durable_file
from spool.disk import Disk
from spool.durable_file import remove_leftovers, temporary_beside, write_durably, write_file
from tests.fakes.simulated_disk import SimulatedDisk


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_durably(tmp_path / "new" / "state", "first")
    write_durably(tmp_path / "new" / "state", b"second")
    assert (tmp_path / "new" / "state").read_bytes() == b"second"
    assert names(tmp_path / "new") == ["state"]


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_the_permissions_are_those_asked_for_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        write_durably(tmp_path / "state", b"x", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "state").stat().st_mode & 0o777 == mode


def test_the_longest_name_that_a_folder_takes_can_be_written(tmp_path: Path) -> None:
    write_durably(tmp_path / ("n" * 255), b"x")
    assert names(tmp_path) == ["n" * 255]


@pytest.mark.parametrize("operation", ["open", "write_at", "sync_data", "rename"])
def test_an_error_leaves_the_old_content_and_no_temporary_file(tmp_path: Path, operation: str) -> None:
    disk = SimulatedDisk(tmp_path)
    write_file(disk, tmp_path / "state", b"old")
    disk.fail_at(operation, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        write_file(disk, tmp_path / "state", b"new")
    assert (tmp_path / "state").read_bytes() == b"old"
    assert names(tmp_path) == ["state"]


def test_a_failed_rename_closes_nobody_elses_descriptor(tmp_path: Path) -> None:
    class Busy(Disk):
        """Another thread opens a file between our close and our error: it gets the number that was free."""

        def rename(self, source: Path, target: Path) -> None:
            self.theirs = os.open(tmp_path, os.O_RDONLY)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk = Busy()
    with pytest.raises(OSError, match="Input/output error"):
        write_file(disk, tmp_path / "state", b"new")
    os.close(disk.theirs)  # EBADF where it was closed for them


def test_a_link_that_lies_in_the_place_of_the_temporary_file_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / ".laid.tmp").symlink_to(victim)
    monkeypatch.setattr(durable_file, "temporary_beside", lambda path: path.with_name(".laid.tmp"))
    with pytest.raises(FileExistsError):
        write_durably(tmp_path / "state", b"x")
    assert victim.read_bytes() == b"precious"


def test_threads_that_write_one_file_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    contents = [bytes([number]) * 1000 for number in range(8)]
    threads = [threading.Thread(target=write_durably, args=(tmp_path / "state", content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "state").read_bytes() in contents
    assert names(tmp_path) == ["state"]


def test_what_killed_processes_left_behind_is_removed_when_it_is_old(tmp_path: Path) -> None:
    old, young = temporary_beside(tmp_path / "state"), temporary_beside(tmp_path / "state")
    for path in (old, young, tmp_path / ".somebody.tmp"):
        path.write_bytes(b"")
        os.utime(path, (1, 1))
    os.utime(young)
    remove_leftovers(Disk(), tmp_path)
    assert names(tmp_path) == sorted([young.name, ".somebody.tmp"])


def test_each_step_is_durable_before_the_next(tmp_path: Path) -> None:
    disk = SimulatedDisk(tmp_path)
    write_file(disk, tmp_path / "state", b"old")
    for change in range(5):
        disk.power_off_at = disk.changes + change
        with pytest.raises(BaseException):  # noqa: B017, PT011 - the power goes
            write_file(disk, tmp_path / "state", b"new" * 600)
        disk.lose_power("newest", random.Random(change))
        assert (tmp_path / "state").read_bytes() in (b"old", b"new" * 600)


def test_the_file_that_another_is_writing_just_now_is_not_touched(tmp_path: Path) -> None:
    theirs = temporary_beside(tmp_path / "state")
    theirs.write_bytes(b"half of it")
    write_durably(tmp_path / "state", b"ours")
    assert names(tmp_path) == sorted([theirs.name, "state"])
    assert theirs.read_bytes() == b"half of it"
    lengths = {len(temporary_beside(tmp_path / name).name) for name in ("a", "n" * 255)}
    assert len(lengths) == 1
