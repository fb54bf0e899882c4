from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.collector_host import CollectorHost

NOT_ALLOWED, REFUSED = 64, 65


@pytest.fixture
def host(tmp_path: Path) -> CollectorHost:
    return CollectorHost.make(tmp_path / "host")


@pytest.mark.parametrize(
    "command",
    [
        "",
        "sh",
        "ls /",
        "list /etc",
        "stage b1 0",
        "stage b1 -1 archive",
        "stage ../b1 0 archive",
        "stage B1 0 archive",
        "stage .b1 0 archive",
        "stage b1 0 ../other",
        "stage b1 0 /etc",
        "stage b1 0 archive/../..",
        "stage b1 0 outgoing/b0",
        "stage b1 0 -v",
        "manifest",
        "manifest ../archive",
        "manifest b1 b2",
        "manifest 'b1",
        "forget /",
        "forget b1 --all",
        "list; rm -rf archive",
        "list\nsh",
        "rm -rf archive",
        "delete b1",
        "rsync --server -logDtpre.iLsfxCIvu . inbox/",
        "rsync --server --sender --remove-source-files -tre.iLsfxCIvu . b1/",
        "rsync --server --sender --remove-sent-files -tre.iLsfxCIvu . b1/",
        "rsync --daemon",
        "rsync b1/ /tmp/x",
    ],
)
def test_any_other_verb_or_path_is_refused_and_changes_nothing(host: CollectorHost, command: str) -> None:
    host.record("r.yamloo", b"r")
    ended = host.gate(command)
    assert ended.returncode == NOT_ALLOWED, ended
    assert host.files() == {"archive/r.yamloo"}


@pytest.mark.parametrize("path", ["../archive/", "/etc/passwd", "b1/../../archive/", "./../"])
def test_rsync_reads_nothing_outside_of_outgoing(host: CollectorHost, path: str, tmp_path: Path) -> None:
    host.record("secret", b"s3cret")
    ended = host.gate(f"rsync --server --sender -tre.iLsfxCIvu . {path}")
    assert ended.returncode != 0
    assert b"s3cret" not in ended.stdout


def test_a_link_out_of_the_host_folder_is_no_directory_of_it(host: CollectorHost, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "r").write_bytes(b"r")
    (host.folder / "archive").rmdir()
    (host.folder / "archive").symlink_to(tmp_path / "elsewhere")
    assert host.gate("stage b1 0 archive").returncode == NOT_ALLOWED
    assert (tmp_path / "elsewhere" / "r").exists()


def test_links_devices_hidden_and_unfinished_files_are_not_staged(host: CollectorHost, tmp_path: Path) -> None:
    for name in ("good", ".hidden", "part.tmp", "half.part", ".git/object"):
        host.record(name, b"x")
    (host.folder / "archive/link").symlink_to("/etc/passwd")
    os.mkfifo(host.folder / "archive/pipe")
    assert json.loads(host.gate("stage b1 0 archive").stdout) == {
        "batch": "b1", "files": 1, "waiting": 0, "unfit": 0, "unread": [],
    }  # fmt: skip
    assert "outgoing/b1/archive/good" in host.files()


def test_names_that_do_not_fit_a_line_of_a_manifest_stay_and_are_told(host: CollectorHost) -> None:
    for name in (b"new\nline", b"\xff\xfe", b"back\\slash", b"ok"):
        path = os.fsencode(host.folder) + b"/archive/" + name
        Path(os.fsdecode(path)).parent.mkdir(exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(b"x")
    answer = json.loads(host.gate("stage b1 0 archive").stdout)
    assert answer["files"] == 1
    assert answer["unfit"] == 3


def test_a_file_touched_less_than_quiet_s_ago_waits_even_if_its_time_was_set_back(host: CollectorHost) -> None:
    path = host.record("r", b"x")
    os.utime(path, (0, 0))
    assert json.loads(host.gate("stage b1 3600 archive").stdout)["waiting"] == 1
    assert not (host.folder / "outgoing/b1").exists()


def test_a_file_that_somebody_writes_waits(host: CollectorHost) -> None:
    path = host.record("r", b"x")
    with path.open("ab"):
        assert json.loads(host.gate("stage b1 0 archive").stdout)["waiting"] == 1
    assert json.loads(host.gate("stage b1 0 archive").stdout)["files"] == 1


def test_staging_again_under_one_name_changes_nothing(host: CollectorHost) -> None:
    host.record("r", b"x")
    host.gate("stage b1 0 archive")
    host.record("late", b"x")
    assert json.loads(host.gate("stage b1 0 archive").stdout)["files"] == 1
    assert "archive/late" in host.files()


def test_what_a_killed_stage_had_moved_becomes_a_batch_of_the_next(host: CollectorHost) -> None:
    host.record("r", b"x")
    host.gate("list")
    unfinished = host.folder / "outgoing" / ".staging-b1" / "archive"
    unfinished.mkdir(parents=True)
    (host.folder / "archive" / "r").rename(unfinished / "r")
    assert host.gate("list").stdout == b""
    host.gate("stage b2 0 archive")
    assert json.loads(host.gate("list").stdout) == {"batch": "b1", "files": 1, "bytes": 1}


def test_a_late_writer_of_a_staged_file_is_seen_by_the_hash_and_kept(host: CollectorHost) -> None:
    path = host.record("r", b"one\n")
    host.gate("stage b1 0 archive")
    manifest = host.gate("manifest b1").stdout
    with (host.folder / "outgoing/b1/archive/r").open("ab") as writer:
        writer.write(b"two\n")
        writer.flush()
        busy = json.loads(host.gate("forget b1", manifest).stdout)
        assert (busy["forgotten"], busy["busy"], busy["left"]) == (0, ["archive/r"], 1)
    assert json.loads(host.gate("forget b1", manifest).stdout)["changed"] == ["archive/r"]
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_changed_file_goes_back_beside_a_new_one_of_its_name(host: CollectorHost) -> None:
    host.record("r.yamloo", b"one")
    host.gate("stage b1 0 archive")
    manifest = host.gate("manifest b1").stdout
    (host.folder / "outgoing/b1/archive/r.yamloo").write_bytes(b"changed")
    host.record("r.yamloo", b"new")
    host.gate("forget b1", manifest)
    assert (host.folder / "archive/r.yamloo").read_bytes() == b"new"
    assert (host.folder / "archive/r.late1.yamloo").read_bytes() == b"changed"


@pytest.mark.parametrize("text", [b"nonsense", b"0" * 64 + b"  ../../archive/x", b"0" * 64 + b"  /etc/passwd", b"\xff"])
def test_a_manifest_that_is_none_deletes_nothing(host: CollectorHost, text: bytes) -> None:
    host.record("r", b"x")
    host.gate("stage b1 0 archive")
    assert host.gate("forget b1", text).returncode == REFUSED
    assert "outgoing/b1/archive/r" in host.files()


def test_a_wrong_hash_deletes_nothing(host: CollectorHost) -> None:
    host.record("r", b"x")
    host.gate("stage b1 0 archive")
    answer = json.loads(host.gate("forget b1", b"0" * 64 + b"  archive/r\n").stdout)
    assert answer["forgotten"] == 0
    assert (host.folder / "archive/r").read_bytes() == b"x"


def test_a_full_batch_leaves_the_rest_for_the_next(host: CollectorHost, tmp_path: Path) -> None:
    for number in range(10_003):
        host.record(f"{number:05}", b"")
    assert json.loads(host.gate("stage b1 0 archive").stdout) == {
        "batch": "b1", "files": 10_000, "waiting": 3, "unfit": 0, "unread": [],
    }  # fmt: skip
    assert json.loads(host.gate("stage b2 0 archive").stdout)["files"] == 3


def test_directories_that_are_missing_or_none_are_named_and_the_others_are_staged(host: CollectorHost) -> None:
    host.record("r", b"r")
    (host.folder / "file").write_bytes(b"not a directory")
    answer = json.loads(host.gate("stage b1 0 archiv archive file").stdout)
    assert (answer["files"], answer["unread"]) == (1, ["archiv", "file"])
    assert host.files() == {"outgoing/b1/archive/r", "file"}
