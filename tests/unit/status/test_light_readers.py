"""A page that shows the status imports none of the libraries that collecting it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spool.status.board import Board
from spool.status.rows import LogRow
from spool.status.section import section
from tests.architecture.test_layers import HEAVY

ROOT = Path(__file__).parents[3]
# What the engine's own rooms load, and what the counts and the letters of features are read with.
NOT_NEEDED = {*HEAVY, "sqlalchemy", "MySQLdb", "pydantic", "yaml", "airflow"}

COMMAND = "from spool.cli import main; code = main(['status', '--json'])"
PAGE = "from plugins.connections.status_board import board; print([*board().sections()]); code = 0"


def loaded_by(program: str, folder: Path) -> tuple[str, set[str]]:
    """What it printed, and the top modules that were loaded when it ended."""
    program += "\nimport sys; assert code == 0; print('loaded', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SPOOL_FOLDER": str(folder)},
    )  # fmt: skip
    printed, _, modules = done.stdout.rpartition("loaded ")
    return printed, {name.partition(".")[0] for name in modules.split()}


@pytest.mark.parametrize("program", [COMMAND, PAGE], ids=["command", "page"])
def test_showing_the_status_loads_nothing_heavy(program: str, tmp_path: Path) -> None:
    Board(tmp_path).publish(section("logs", [LogRow("orders", "a1", appended=5)]))
    printed, modules = loaded_by(program, tmp_path)
    assert "orders" in printed
    assert "spool" in modules
    assert modules & NOT_NEEDED == set()


def test_the_look_at_modules_would_see_a_heavy_one(tmp_path: Path) -> None:
    _, modules = loaded_by("import spool.audit.stats; code = 0", tmp_path)
    assert {"numpy", "aiokafka"} <= modules


def test_the_command_prints_each_section_as_one_object(tmp_path: Path) -> None:
    Board(tmp_path).publish(section("alarms", []))
    Board(tmp_path).publish(section("logs", [LogRow("orders", "a1", appended=5)], ["archive: away"]))
    printed, _ = loaded_by(COMMAND, tmp_path)
    alarms, logs = map(json.loads, printed.splitlines())
    assert (alarms["section"], alarms["rows"]) == ("alarms", [])
    assert (logs["section"], logs["rows"][0]["appended"], logs["troubles"]) == ("logs", 5, ["archive: away"])
    assert logs["age_s"] >= 0
