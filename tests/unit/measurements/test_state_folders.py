"""States are folders; a move is one rename that overwrites nothing."""

import json
import stat
from pathlib import Path

import pytest

from include.common.atomic_files import free_name, remove_empty_folders, rename_durably
from include.measurements.state_folders import AnotherRun, StateFolders
from spool.durable_file import write_durably


def test_private_folders_are_for_the_owner_only(tmp_path: Path) -> None:
    StateFolders(tmp_path)
    for name in ("raw", "quarantine", "errored", "archive"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700


def test_a_held_report_has_its_reason_beside_it_and_replaces_none(tmp_path: Path) -> None:
    folders = StateFolders(tmp_path)
    for content in ("first", "second"):
        (tmp_path / "raw" / "x").write_text(content)
        folders.hold(tmp_path / "raw" / "x", "quarantine", "c/b/x", {"reason": "leak"})
    assert [held.name for held in folders.held()] == ["x", "x.1"]
    for held in folders.held():
        assert folders.reasons.read(held) == {"reason": "leak"}


def test_a_report_named_like_a_reason_is_held_with_its_own(tmp_path: Path) -> None:
    folders = StateFolders(tmp_path)
    for name in ("x", "x.reason.json"):
        (tmp_path / "raw" / name).write_text(name)
        folders.hold(tmp_path / "raw" / name, "errored", f"c/b/{name}", {"reason": "bad", "from": name})
    assert [(held.name, held.read_text()) for held in folders.held()] == [(n, n) for n in ("x", "x.reason.json")]
    assert [folders.reasons.read(held)["from"] for held in folders.held()] == ["x", "x.reason.json"]
    for held in folders.held():
        folders.reasons.remove(held)
    assert list((tmp_path / "reasons").iterdir()) == []


def test_reasons_that_lie_beside_their_reports_from_before_are_read_and_leave_with_them(tmp_path: Path) -> None:
    folders = StateFolders(tmp_path)
    held = folders.held_path("errored", "bad", "c/b/x")
    held.parent.mkdir(parents=True)
    held.write_text("x")
    beside = held.with_name("x.reason.json")
    beside.write_text(json.dumps({"reason": "bad", "from": "staging"}))
    assert folders.held() == [held]
    assert folders.reasons.read(held)["from"] == "staging"
    folders.reasons.remove(held)
    assert not beside.exists()


@pytest.mark.parametrize("length", [250, 251, 254, 255])
def test_a_report_with_the_longest_of_names_is_held_with_its_reason(tmp_path: Path, length: int) -> None:
    folders = StateFolders(tmp_path)
    (tmp_path / "raw" / "x").write_text("x")
    held = folders.hold(tmp_path / "raw" / "x", "errored", "c/b/" + "n" * length, {"reason": "bad"})
    assert folders.held() == [held]
    assert folders.held_as("c/b/" + "n" * length) == [held]
    assert folders.reasons.read(held) == {"reason": "bad"}
    folders.reasons.remove(held)
    assert folders.reasons.read(held) == {}


def test_one_run_at_a_time(tmp_path: Path) -> None:
    folders = StateFolders(tmp_path)
    with folders.alone("sanitize"), pytest.raises(AnotherRun), folders.alone("sanitize"):
        pass
    with folders.alone("sanitize"):
        pass


def test_nothing_is_overwritten_by_a_rename(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        rename_durably(tmp_path / "a", tmp_path / "b")
    assert free_name(tmp_path / "b") == tmp_path / "b.1"


def test_a_write_is_whole_has_its_mode_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_durably(tmp_path / "deep" / ("n" * 255), "a name of the longest there is")
    (tmp_path / "deep" / ("n" * 255)).unlink()
    write_durably(tmp_path / "deep" / "x", "one", mode=0o600)
    write_durably(tmp_path / "deep" / "x", b"two", mode=0o600)
    assert [(p.name, p.read_text()) for p in (tmp_path / "deep").iterdir()] == [("x", "two")]
    assert stat.S_IMODE((tmp_path / "deep" / "x").stat().st_mode) == 0o600


def test_empty_folders_go_up_to_the_one_to_keep(tmp_path: Path) -> None:
    (tmp_path / "keep/a/b/c").mkdir(parents=True)
    (tmp_path / "keep/a/x").touch()
    remove_empty_folders(tmp_path / "keep/a/b/c", keep=tmp_path / "keep")
    assert sorted(p.name for p in (tmp_path / "keep").rglob("*")) == ["a", "x"]
