"""Counts: a batch that is done again adds nothing, nothing that is lost is folded away, and both books are sent."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_COUNTS = ("tests/unit/counts",)
_NUMBERS = "include/counts/batch_numbers.py"

MUTANTS = [
    Mutant(
        "a batch that is done again replaces its numbers", _NUMBERS,
        'f"{name} = excluded.{name}" for name in _NUMBERS', 'f"{name} = {name} + excluded.{name}" for name in _NUMBERS',
        _COUNTS,
    ),
    Mutant(
        "a batch keeps the day of its first note", _NUMBERS,
        'f"ON CONFLICT DO UPDATE SET {replaced}"', 'f"ON CONFLICT DO UPDATE SET day = excluded.day, {replaced}"', _COUNTS,
    ),
    Mutant(
        "a batch that has not come out whole is not folded", _NUMBERS,
        '_SETTLED = "day < ? AND count_in = count_out + quarantined + errored"', '_SETTLED = "day < ?"', _COUNTS,
    ),
    Mutant("numbers below 0 are refused", _NUMBERS, "not 0 <= number <=", "not -9 <= number <=", _COUNTS),
    Mutant(
        "rows of one key from two books are added", "include/counts/table.py",
        "rows = _added([*(row for book in books for row in book.counts(since)), *more])",
        "rows = [*(row for book in books for row in book.counts(since)), *more]", _COUNTS,
    ),
    Mutant(
        "documents of a refused report are errored", "include/measurements/load/pipeline.py",
        "numbers.note(stage.FEATURE, DOCUMENTS_STAGE, report, Numbers(count, errored=count))", "pass",
        ("tests/unit/measurements/test_measurements_pipeline.py",),
    ),
]  # fmt: skip
