"""`python -m spool status` for people: each section with its age, what is missing, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool.cli import main
from spool.command_line import ExitCode
from spool.errors import StoreUnavailable
from spool.status.board import Board
from spool.status.rows import AlarmRow, LogRow
from spool.status.section import section

ALARM = AlarmRow("log_gap", "orders/a1", "2026-11-23T09:30:00.000Z", None, "segment 3")


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    monkeypatch.setenv("SPOOL_FOLDER", str(tmp_path))
    return Board(tmp_path)


def test_every_section_is_shown_with_its_time(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    board.publish(section("logs", [LogRow("orders", "a1", appended=12345)]))
    board.publish(section("alarms", [ALARM]))
    assert main(["status"]) == 0
    printed = capsys.readouterr().out
    assert "logs, as of 20" in printed
    assert "12,345" in printed
    assert "log_gap" in printed
    assert "does the DAG" not in printed


def test_one_section_can_be_chosen_and_an_unknown_one_is_refused(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    board.publish(section("logs", []))
    board.publish(section("alarms", [ALARM]))
    assert main(["status", "alarms"]) == 0
    assert "logs" not in capsys.readouterr().out
    assert main(["status", "larms"]) == ExitCode.USAGE
    assert "published are: alarms, logs" in capsys.readouterr().err


def test_what_was_taken_long_ago_asks_whether_the_dag_runs(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    board.publish(section("logs", [])._replace(taken_ms=1_700_000_000_000))
    assert main(["status"]) == 0
    assert "does the DAG spool_status run?" in capsys.readouterr().out


def test_what_could_not_be_taken_is_shown_beside_the_last_rows(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    board.publish(section("alarms", [ALARM]))
    board.publish_trouble("alarms", StoreUnavailable("no answer", hint="wait"))
    board.publish_trouble("logs", StoreUnavailable("no answer", hint="wait"))
    assert main(["status"]) == 0
    printed = capsys.readouterr().out
    assert "  StoreUnavailable: no answer" in printed
    assert "orders/a1" in printed
    assert "logs, never taken" in printed


def test_where_nothing_was_published_the_dag_is_named(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    assert "run the DAG spool_status" in capsys.readouterr().out


def test_without_a_folder_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SPOOL_FOLDER", raising=False)
    assert main(["status"]) == ExitCode.FAILED
    assert "SPOOL_FOLDER is not set" in capsys.readouterr().err
