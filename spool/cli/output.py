"""What a verb prints: tables and sentences for people, or one JSON object a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from spool.errors import SpoolError

Row = Mapping[str, Any]


class Output:
    """Results go to standard output, errors to standard error."""

    def __init__(self, *, as_json: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.as_json = as_json
        self._out = out or sys.stdout
        self._err = err or sys.stderr

    def result(self, row: Row, sentence: str) -> None:
        """One result: `row` for programs, `sentence` for people."""
        print(json.dumps(row, separators=(",", ":")) if self.as_json else sentence, file=self._out, flush=True)

    def table(self, rows: Sequence[Row], *, empty: str) -> None:
        """Rows with the same keys; `empty` is what a person reads where there are none."""
        if self.as_json:
            for row in rows:
                print(json.dumps(row, separators=(",", ":")), file=self._out)
        else:
            print(format_table(rows) if rows else empty, file=self._out)
        self._out.flush()

    def error(self, error: SpoolError) -> None:
        kind = type(error).__name__
        if self.as_json:
            row = {"error": kind, "message": str(error), "hint": error.hint}
            print(json.dumps(row, separators=(",", ":")), file=self._err)
            return
        print(f"{kind}: {error}", file=self._err)
        if error.hint:
            print(f"  what to do: {error.hint}", file=self._err)


def format_table(rows: Sequence[Row]) -> str:
    """Rows as aligned columns under their keys; numbers to the right."""
    heads = list(rows[0])
    cells = [[_cell(row[head]) for head in heads] for row in rows]
    widths = [max(len(head), *(len(row[i]) for row in cells)) for i, head in enumerate(heads)]
    numeric = [all(isinstance(row[head], int | float) for row in rows) for head in heads]

    def line(texts: Sequence[str]) -> str:
        padded = [t.rjust(w) if right else t.ljust(w) for t, w, right in zip(texts, widths, numeric, strict=True)]
        return "  ".join(padded).rstrip()

    return "\n".join([line(heads), line(["-" * w for w in widths]), *map(line, cells)])


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
