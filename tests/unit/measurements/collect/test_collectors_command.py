from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from include.measurements.collect import __main__ as command
from spool.command_line import ExitCode


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SPOOL_FOLDER", raising=False)
    blocks = {}
    for name in ("north", "south"):
        folder = tmp_path / name
        (folder / "b1").mkdir(parents=True)
        (folder / "b1" / "r").write_bytes(name.encode())
        (folder / "b1.ready").touch()
        blocks[name] = {"transport": "drop_folder", "folder": str(folder), "forget_after_days": 0}
    (tmp_path / "collectors.yml").write_text(yaml.safe_dump({"version": 1, "collectors": blocks}))
    return tmp_path


def sync(place: Path, *arguments: str) -> int:
    options = ["--config", str(place / "collectors.yml"), "--state", str(place / "state"), "--json", *arguments]
    return command.main(["sync", *options])


def test_every_host_has_its_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync(place) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["collector"], row["files"], row["forgotten"]) for row in rows] == [("north", 1, 1), ("south", 1, 1)]
    assert (place / "state/raw/south/b1/r").read_bytes() == b"south"


def test_only_the_chosen_host_is_synced(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync(place, "--host", "south") == 0
    assert [json.loads(line)["collector"] for line in capsys.readouterr().out.splitlines()] == ["south"]


def test_a_host_that_needs_a_person_fails_alone_and_decides_the_exit_code(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "north/b1.manifest").write_text("not a manifest\n")
    assert sync(place) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["error"] == "ManifestRefused"
    assert rows[1]["files"] == 1


def test_a_host_that_may_do_better_next_time_means_try_again(place: Path) -> None:
    (place / "north/b1.manifest").write_text("0" * 64 + "  r\n")
    assert sync(place) == ExitCode.TRY_AGAIN


def test_an_unknown_host_names_the_known_ones(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync(place, "--host", "east") == 1
    assert "north, south" in capsys.readouterr().err


def test_a_host_that_announces_needs_somebody_who_listens(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = {
        "transport": "announced", "host": "h", "user": "u", "key": "/k", "known_hosts": "/k", "directories": ["a"],
    }  # fmt: skip
    (place / "collectors.yml").write_text(yaml.safe_dump({"version": 1, "collectors": {"north": block}}))
    assert sync(place) == 1
    assert "--announcements" in capsys.readouterr().out
