"""`python -m include.counts`: the sums of this host, and what has not come out, by its name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.counts.__main__ import main
from include.counts.batch_numbers import Numbers, StageNumbers
from include.counts.ledger import StageLedger
from spool.command_line import ExitCode

TODAY = datetime.now(UTC).date()
LONG_AGO = TODAY - timedelta(days=100)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    with StageLedger(tmp_path, "here") as ledger, StageNumbers(tmp_path, "here") as numbers:
        ledger.take("f", "files", ["a", "b"], TODAY)
        ledger.settle("f", "files", {"a": "out"})
        ledger.take("f", "files", ["old"], LONG_AGO)
        numbers.note("f", "rows", "topic/0/500", Numbers(10, count_out=7, errored=1), TODAY)
        numbers.note("f", "rows", "topic/0/510", Numbers(10, count_out=10), TODAY)
    return tmp_path


def run(state: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert main([*arguments, "--state", str(state), "--installation", "here", "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_sums_of_both_books_are_shown_for_the_days_asked_for(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = run(state, capsys, "show")
    assert [(row["stage"], row["count_in"], row["count_out"], row["difference"]) for row in rows] == [
        ("files", 2, 1, 1), ("rows", 20, 17, 2),
    ]  # fmt: skip
    assert len(run(state, capsys, "show", "--days", "200")) == 3


def test_what_has_not_come_out_is_named_however_old_it_is(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run(state, capsys, "open")
    assert [(row["day"], row["name"], row["missing"]) for row in rows] == [
        (LONG_AGO.isoformat(), "old", 1), (TODAY.isoformat(), "b", 1), (TODAY.isoformat(), "topic/0/500", 2),
    ]  # fmt: skip


def test_a_state_folder_that_is_not_there_is_refused_and_not_created(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("show", "open"):
        assert main([verb, "--state", str(tmp_path / "none")]) == ExitCode.FAILED
        assert "what to do: give --state" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_check_without_a_database_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SPILLWAY_DATABASE_URI", raising=False)
    assert main(["check"]) == ExitCode.FAILED
    assert "SPILLWAY_DATABASE_URI" in capsys.readouterr().err
