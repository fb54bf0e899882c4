"""Other processes are started in one room, where each has its limits and its end."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
STARTS = re.compile(
    r"^\s*(import|from) (subprocess|multiprocessing)\b|\bos\.(system|popen|fork|spawn\w+|exec\w+)\(", re.MULTILINE
)


def test_the_features_start_processes_in_one_room_only() -> None:
    modules = sorted((ROOT / "include").rglob("*.py"))
    assert modules
    starting = {path.parent.relative_to(ROOT).as_posix() for path in modules if STARTS.search(path.read_text("utf-8"))}
    assert starting == {"include/common/processes"}
