"""What is published is what is shown: whole, with its time, and never at the price of the other sections."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from spool import metrics
from spool.durable_file import temporary_beside
from spool.errors import CorruptRecord, StoreUnavailable
from spool.status.board import FILE_BYTES_MAX, FOLDER, Board
from spool.status.rows import AlarmRow, LogRow
from spool.status.section import ROWS_MAX, TEXT_CHARACTERS_MAX, Section, decode, encode, section

ROWS = [LogRow("orders", "a1", appended=5, oldest_waiting_s=1.5), LogRow("orders", "b2")]
WHOLE = {"version": 1, "name": "logs", "taken_ms": 5, "rows": [{"a": 1}], "troubles": []}


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def test_a_log_has_every_figure_of_the_engine_and_no_other() -> None:
    assert LogRow._fields == ("stream", "log", *metrics.NAMES)


def test_what_is_published_is_read_as_it_was_taken(board: Board) -> None:
    taken = section("logs", ROWS, ["archive: away"])
    board.publish(taken)
    assert board.read("logs") == taken
    assert [LogRow(**row) for row in taken.rows] == ROWS  # type: ignore[arg-type]


def test_a_section_replaces_the_one_of_its_name_only(board: Board) -> None:
    board.publish(section("logs", ROWS))
    board.publish(section("alarms", []))
    newer = section("logs", ROWS[:1])
    board.publish(newer)
    assert [found.name for found in board.sections()] == ["alarms", "logs"]
    assert board.read("logs") == newer


def test_where_nothing_was_published_there_is_nothing(board: Board) -> None:
    assert board.sections() == []
    assert board.read("logs") is None


def test_what_could_not_be_taken_keeps_its_rows_and_their_time_and_says_why(board: Board) -> None:
    before = section("logs", ROWS)._replace(taken_ms=1000)
    board.publish(before)
    board.publish_trouble("logs", StoreUnavailable("no answer", hint="wait"))
    assert board.read("logs") == before._replace(troubles=("StoreUnavailable: no answer",))
    assert before.age_s(61_000) == 60.0


def test_a_section_that_could_never_be_taken_says_so(board: Board) -> None:
    board.publish_trouble("logs", StoreUnavailable("no answer", hint="wait"))
    found = board.read("logs")
    assert found is not None
    assert (found.taken_ms, found.rows, found.troubles) == (0, (), ("StoreUnavailable: no answer",))


def test_what_does_not_fit_a_page_is_cut_and_says_so() -> None:
    long = AlarmRow("c", "s", "o", None, "x" * 10_000)
    taken = section("alarms", [long] * (ROWS_MAX + 7))
    assert len(taken.rows) == ROWS_MAX
    assert taken.troubles == (f"only {ROWS_MAX:,} of {ROWS_MAX + 7:,} rows are shown",)
    evidence = taken.rows[0]["evidence"]
    assert isinstance(evidence, str)
    assert len(evidence) == TEXT_CHARACTERS_MAX
    assert evidence.endswith("...")
    assert len(encode(taken)) < FILE_BYTES_MAX


def test_what_a_terminal_would_obey_or_cannot_print_is_shown_as_text(board: Board) -> None:
    hostile = AlarmRow("c", "s", "o", None, "before\x1b[2J\r\nafter \udc80 ü \u202e")
    board.publish(section("alarms", [hostile], ["trouble\x07"]))
    found = board.read("alarms")
    assert found is not None
    assert found.rows[0]["evidence"] == r"before\x1b[2J\r\nafter \udc80 ü \u202e"
    assert found.troubles == (r"trouble\x07",)


def test_a_file_of_a_newer_program_with_more_keys_is_read() -> None:
    assert decode(json.dumps({**WHOLE, "colour": "red"}).encode(), "f") == Section("logs", 5, ({"a": 1},))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff", b"[]", b"null", b"7", b"{}", b"[" * 100_000,
        *(
            json.dumps({**WHOLE, **wrong}).encode()
            for wrong in (
                {"version": 2}, {"version": None}, {"name": "../logs"}, {"name": 7}, {"taken_ms": "5"},
                {"taken_ms": -1}, {"taken_ms": True}, {"taken_ms": 10**18}, {"rows": {}}, {"rows": [7]},
                {"rows": [{"a": []}]}, {"rows": [{"a": 1}, {"b": 1}]}, {"rows": [{"a": 1}] * (ROWS_MAX + 1)},
                {"rows": [{"a": float("nan")}]}, {"rows": [{"a": float("inf")}]}, {"troubles": [7]}, {"troubles": None},
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_section_is_an_error_that_names_the_file(data: bytes) -> None:
    with pytest.raises(CorruptRecord, match="_status/logs") as error:
        decode(data, "_status/logs.json")
    assert error.value.hint


def test_a_damaged_foreign_or_oversize_file_hides_no_other_section(
    board: Board, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    board.publish(section("alarms", []))
    folder = tmp_path / FOLDER
    (folder / "logs.json").write_bytes(b"{")
    (folder / "counts.json").write_bytes(encode(section("logs", ROWS)))
    (folder / "Not-a-name.json").write_bytes(b"{}")
    (folder / "folder.json").mkdir()
    with (folder / "large.json").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    assert [found.name for found in board.sections()] == ["alarms"]
    for name in ("logs", "counts", "folder", "large"):
        assert f"{name}.json" in caplog.text
    board.publish(section("logs", ROWS))
    assert [found.name for found in board.sections()] == ["alarms", "logs"]


def test_temporary_files_of_processes_that_were_killed_long_ago_are_removed(board: Board, tmp_path: Path) -> None:
    board.publish(section("logs", ROWS))
    old, new = (temporary_beside(tmp_path / FOLDER / "logs.json") for _ in range(2))
    for path in (old, new):
        path.write_bytes(b"{")
    os.utime(old, (1, 1))
    board.publish(section("logs", ROWS))
    assert (old.exists(), new.exists()) == (False, True)


def test_a_publisher_that_dies_leaves_the_section_that_was_there(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = section("logs", ROWS)
    board.publish(before)

    def dies(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spool.disk.Disk.rename", dies)
    with pytest.raises(KeyboardInterrupt):
        board.publish(section("logs", []))
    assert board.read("logs") == before
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["logs.json"]
