"""
docs/mutants.md: what became of each mutant when it last ran. Each row has a day and a commit of its own, so that a list
that takes hours can be run in pieces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.mutants.mutant import REPOSITORY, Mutant

PATH = REPOSITORY / "docs" / "mutants.md"
SURVIVED = "**survived**"
HEAD = """# Mutants

Each row is one line of the code that a rule of safety rests on, taken out or turned round, and the first test that
failed without it, with the day and the commit of that run. `make mutants` runs them all and writes this page, row by row;
`python -m tests.mutants --missing` runs those that have no row yet or survived. The lists are in `tests/mutants/`.
"""
_ROW = re.compile(r"^\| (.+) \| `(\S+)` \| (.+) \| (\S+ \S+) \|$")


class Row(NamedTuple):
    """`killed_by` is a test in backticks, or SURVIVED; `run` is a day and a commit."""

    name: str
    file: str
    killed_by: str
    run: str

    @property
    def survived(self) -> bool:
        return self.killed_by == SURVIVED

    def line(self) -> str:
        return f"| {self.name} | `{self.file}` | {self.killed_by} | {self.run} |"


class Page:
    """The rows by room and name. `put` writes the page at once, so that an interrupted run keeps what it has judged."""

    def __init__(self, lists: Mapping[str, list[Mutant]], path: Path = PATH) -> None:
        self._lists, self._path = lists, path
        rows = _rows(path.read_text(encoding="utf-8")) if path.exists() else {}
        names = {room: {mutant.name for mutant in mutants} for room, mutants in lists.items()}
        self._rows = {room: {n: row for n, row in rows.get(room, {}).items() if n in names[room]} for room in lists}

    def put(self, room: str, row: Row) -> None:
        self._rows[room][row.name] = row
        self._path.write_text(self.text(), encoding="utf-8")

    def is_killed(self, room: str, name: str) -> bool:
        row = self._rows[room].get(name)
        return row is not None and not row.survived

    def text(self) -> str:
        return HEAD + "".join(f"\n{self._section(room)}" for room in sorted(self._lists))

    def _section(self, room: str) -> str:
        rows = self._rows[room]
        in_order = [rows[mutant.name] for mutant in self._lists[room] if mutant.name in rows]
        killed = sum(not row.survived for row in in_order)
        waiting = len(self._lists[room]) - len(in_order)
        counted = f"{killed} of {len(self._lists[room])} killed" + (f", {waiting} not run yet." if waiting else ".")
        table = ["", "| without | in | killed by | run |", "|---|---|---|---|", *(row.line() for row in in_order)]
        return "\n".join([f"## {room}", "", counted, *(table if in_order else []), ""])


def _rows(text: str) -> dict[str, dict[str, Row]]:
    rooms: dict[str, dict[str, Row]] = {}
    room = ""
    for line in text.splitlines():
        if line.startswith("## "):
            room = line.removeprefix("## ")
        elif match := _ROW.match(line):
            row = Row(*match.groups())
            rooms.setdefault(room, {})[row.name] = row
    return rooms
