"""What a command prints: tables and sentences for a person, or one JSON object a line for a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from spool.errors import SpoolError

Row = Mapping[str, Any]
Advance = Callable[[int], None]


class Output:
    """
    Results go to standard output, errors and progress to standard error.

    On a terminal a table has lines and colours and long work shows a bar; in a pipe or a log both are plain text.
    """

    def __init__(self, *, as_json: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.as_json = as_json
        self._out = out or sys.stdout
        self._err = err or sys.stderr

    def result(self, row: Row, sentence: str) -> None:
        """One result: `row` for programs, `sentence` for people."""
        print(_json(row) if self.as_json else sentence, file=self._out, flush=True)

    def fields(self, row: Row) -> None:
        """One result whose keys and values are its sentence."""
        self.result(row, "  ".join(f"{key}: {value}" for key, value in row.items()))

    def table(self, rows: Sequence[Row], *, empty: str) -> None:
        """Rows with the same keys; `empty` is what a person reads if there are none."""
        if self.as_json:
            for row in rows:
                print(_json(row), file=self._out)
        elif not rows:
            print(empty, file=self._out)
        elif self._out.isatty():
            _print_rich_table(rows, self._out)
        else:
            print(format_table(rows), file=self._out)
        self._out.flush()

    def error(self, error: SpoolError, *, about: Row | None = None) -> None:
        """
        The message and the hint. `about` names the unit that failed where others go on: the row is then a result,
        and goes to standard output.
        """
        stream = self._err if about is None else self._out
        row = {**(about or {}), "error": type(error).__name__, "message": str(error), "hint": error.hint}
        if self.as_json:
            print(_json(row), file=stream, flush=True)
            return
        unit = "".join(f"{value}: " for value in (about or {}).values())
        print(f"{unit}{type(error).__name__}: {error}", file=stream, flush=True)
        if error.hint:
            print(f"  what to do: {error.hint}", file=stream, flush=True)

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Advance]:
        """Yields a function that counts units of work; a bar is shown on a terminal and nowhere else."""
        if self.as_json or not self._err.isatty():
            yield lambda count: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(file=self._err), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda count: bar.advance(task, count)


def format_table(rows: Sequence[Row]) -> str:
    """Rows as aligned columns under their keys; numbers to the right."""
    heads = list(rows[0])
    cells = [[_cell(row[head]) for head in heads] for row in rows]
    widths = [max(len(head), *(len(row[i]) for row in cells)) for i, head in enumerate(heads)]
    numeric = [_is_numeric(rows, head) for head in heads]

    def line(texts: Sequence[str]) -> str:
        padded = [t.rjust(w) if right else t.ljust(w) for t, w, right in zip(texts, widths, numeric, strict=True)]
        return "  ".join(padded).rstrip()

    return "\n".join([line(heads), line(["-" * w for w in widths]), *map(line, cells)])


def _print_rich_table(rows: Sequence[Row], out: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for head in rows[0]:
        table.add_column(head, justify="right" if _is_numeric(rows, head) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))  # Text: no markup in names from outside
    Console(file=out).print(table)


def _is_numeric(rows: Sequence[Row], head: str) -> bool:
    return all(isinstance(row[head], int | float) for row in rows)


def _json(row: Row) -> str:
    return json.dumps(row, separators=(",", ":"))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
