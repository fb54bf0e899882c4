"""States are folders; a move is one rename that overwrites nothing. R-OONI-14, R-OONI-15."""

import json
import stat
from pathlib import Path

import pytest

from include.common.atomic_files import free_name, remove_empty_folders, rename_durably, write_durably
from include.measurements.state_folders import AnotherRun, StateFolders, reason_path


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
        assert json.loads(reason_path(held).read_text()) == {"reason": "leak"}


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
    write_durably(tmp_path / "deep" / "x", "one", mode=0o600)
    write_durably(tmp_path / "deep" / "x", b"two", mode=0o600)
    assert [(p.name, p.read_text()) for p in (tmp_path / "deep").iterdir()] == [("x", "two")]
    assert stat.S_IMODE((tmp_path / "deep" / "x").stat().st_mode) == 0o600


def test_empty_folders_go_up_to_the_one_to_keep(tmp_path: Path) -> None:
    (tmp_path / "keep/a/b/c").mkdir(parents=True)
    (tmp_path / "keep/a/x").touch()
    remove_empty_folders(tmp_path / "keep/a/b/c", keep=tmp_path / "keep")
    assert sorted(p.name for p in (tmp_path / "keep").rglob("*")) == ["a", "x"]
