"""
The bytes of a log cut at every place of the last commit, and each byte of a segment damaged in turn.

Method: write commits, reboot (another boot id), damage the file, open again; demand that what is whole is there, that
nothing is there that nobody wrote, that no offset is given twice; then write again and read back.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from spool.format.scan import Expected, scan
from spool.format.segment_header import decode_segment_header, log_tag
from spool.log.folder import log_folders, segment_files
from spool.log.lock_file import LockState
from spool.log.reader import read_sealed
from tests.fakes.powered_host import boot
from tests.fakes.quick_disk import QuickDisk
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.support.log_host import append, open_log, open_segment, read
from tests.support.series import some

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("boots")]

WRITTEN = {0: "a", 1: "b", 2: "g1", 3: "g2", 4: "c"}
LAST_OFFSET = 4


class Written:
    """One open segment with four commits, put back before each case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        log = open_log(folder, disk=QuickDisk())
        for texts in (("a",), ("b",), ("g1", "g2")):
            append(log, *texts, group=len(texts) > 1)
        self.acknowledged: LockState = log.synced()
        append(log, "c")
        log.close()
        self.segment = open_segment(folder)
        self.data = self.segment.path.read_bytes()

    def again(self, data: bytes) -> None:
        for path in self.segment.path.parent.iterdir():
            if path.name != "log.json":
                path.unlink()
        self.segment.path.write_bytes(data)

    def recover(self) -> tuple[dict[int, str], RecordedAlarms, int]:
        """What is there after a reboot, the alarms, and the offset that the next event got."""
        boot()
        alarms = RecordedAlarms()
        log = open_log(self.folder, disk=QuickDisk(), alarms=alarms)
        (given,) = append(log, "after")
        log.seal()
        log.close()
        found = read(self.folder)
        assert found.pop(given.first) == "after"
        return found, alarms, given.first


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    yield Written(tmp_path / "spool")
    shutil.rmtree(tmp_path / "spool")


@pytest.mark.series
def test_a_log_cut_at_any_byte_of_its_last_commit_keeps_the_others_and_goes_on(written: Written) -> None:
    for cut in some(range(written.acknowledged.synced_end, len(written.data))):
        written.again(written.data[:cut])
        found, alarms, given = written.recover()
        assert found == {offset: text for offset, text in WRITTEN.items() if offset != LAST_OFFSET}, cut
        assert given == LAST_OFFSET, "nobody was answered from a torn commit, so its offset is free"
        assert alarms.ever == []


def test_what_is_cut_off_is_kept_beside(written: Written) -> None:
    end = written.acknowledged.synced_end
    written.again(written.data[: end + 30])
    written.recover()
    kept = written.segment.path.with_name(f"{0:012d}.torn-{end}")
    assert kept.read_bytes() == written.data[end : end + 30]


@pytest.mark.series
@pytest.mark.parametrize("bits", [0xFF, 0x01])
def test_a_segment_with_any_one_byte_damaged_loses_at_most_that_commit(written: Written, bits: int) -> None:
    _, header_end = decode_segment_header(written.data, "")
    for place in some(range(len(written.data)), bits):
        data = bytearray(written.data)
        data[place] ^= bits
        written.again(bytes(data))
        found, alarms, given = written.recover()
        lost = {offset: text for offset, text in WRITTEN.items() if offset not in found}
        assert found == {offset: text for offset, text in WRITTEN.items() if offset in found}, place
        assert len({text[0] for text in lost.values()}) <= 1, f"byte {place} cost {lost}"
        assert place >= header_end or not lost, "a damaged header costs no event"
        is_torn = given == LAST_OFFSET  # a length beyond the file looks like a write that never ended
        assert given > LAST_OFFSET or is_torn
        assert place < header_end or alarms.ever or is_torn, f"byte {place} raised no alarm"


@pytest.mark.series
def test_a_damaged_sealed_segment_shows_its_hole_and_keeps_its_recorded_identity(tmp_path: Path) -> None:
    log = open_log(tmp_path / "spool", disk=QuickDisk())
    for text in "abc":
        append(log, text)
    log.seal()
    (folder,) = log_folders(tmp_path / "spool")
    sealed = segment_files(folder.path)[0].path
    whole, data = read_sealed(sealed), sealed.read_bytes()
    _, header_end = decode_segment_header(data, "")
    for place in some(range(len(data))):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        sealed.write_bytes(damaged)
        contents = read_sealed(sealed)
        assert contents.identity == whole.identity != contents.sha256
        assert contents.next_offset == whole.next_offset
        held = sum(commit.event_count for commit in contents.commits)
        gone = sum(hole.next - hole.first for hole in contents.holes)
        assert held + gone == 3, place
        assert gone == (0 if place < header_end else 1)


def test_a_tail_of_zeros_is_a_suspected_hole_whose_offsets_are_not_used_again(written: Written) -> None:
    size = len(written.data) - written.acknowledged.synced_end
    written.again(written.data[: written.acknowledged.synced_end] + bytes(size))
    found, alarms, given = written.recover()
    assert sorted(found) == [0, 1, 2, 3]
    assert given > LAST_OFFSET
    assert alarms.ever == ["log_suspected_hole"]


def test_a_damaged_length_does_not_hide_the_commits_behind_it(written: Written) -> None:
    state = scan(written.data, decode_segment_header(written.data, "")[1], _expected(written))
    second = state.commits[1].start
    data = bytearray(written.data)
    data[second + 8 : second + 12] = (2**31 - 1).to_bytes(4, "big")
    written.again(bytes(data))
    found, alarms, _ = written.recover()
    assert found == {0: "a", 2: "g1", 3: "g2", 4: "c"}
    assert alarms.ever == ["log_hole"]


def test_several_damaged_commits_at_the_end_give_none_of_their_offsets_again(written: Written) -> None:
    state = scan(written.data, decode_segment_header(written.data, "")[1], _expected(written))
    data = bytearray(written.data)
    for commit in state.commits[1:]:
        data[commit.end - 1] ^= 0xFF
    written.again(bytes(data))
    found, alarms, given = written.recover()
    assert found == {0: "a"}
    assert given > LAST_OFFSET
    assert alarms.ever == ["log_suspected_hole"]


def test_a_wholly_senseless_segment_is_kept_beside_and_its_offsets_skipped(written: Written) -> None:
    written.again(b"\x55" * len(written.data))
    found, alarms, given = written.recover()
    assert found == {}
    assert given > LAST_OFFSET
    assert alarms.ever == ["log_suspected_hole"]
    assert written.segment.path.with_name(f"{0:012d}.torn-0").read_bytes() == b"\x55" * len(written.data)


def _expected(written: Written) -> Expected:
    header, _ = decode_segment_header(written.data, "")
    return Expected(log_tag(header.log), header.first_offset, header.next_commit)
