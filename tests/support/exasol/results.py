"""Results on their way to the client: small ones whole, others by a handle from which the client fetches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.support.exasol.data_types import described, of_duckdb, sent

# A result of fewer rows comes with the answer itself.
ROWS_INLINE = 1000

Column = tuple[str, str]
"""Name and Exasol's type."""


class ResultSet(NamedTuple):
    columns: Sequence[Column]
    rows: Sequence[tuple[Any, ...]]


Result = int | ResultSet
"""A number of rows that were changed, or rows."""


def fetched(answer: Any) -> ResultSet:
    """What a DuckDB cursor holds."""
    columns = [(description[0], of_duckdb(description[1])) for description in answer.description]
    return ResultSet(columns, answer.fetchall())


class Handles:
    """What the client refers to by number: open result sets and prepared statements."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._held: dict[int, Any] = {}

    def keep(self, held: object) -> int:
        number = next(self._numbers)
        self._held[number] = held
        return number

    def __getitem__(self, number: int) -> Any:
        return self._held[number]

    def drop(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._held.pop(number, None)


def answered(result: Result, handles: Handles, rows_max: int = 0) -> dict[str, object]:
    """The object `responseData` of a statement."""
    if isinstance(result, int):
        return {"numResults": 1, "results": [{"resultType": "rowCount", "rowCount": result}]}
    limited = ResultSet(result.columns, result.rows[:rows_max]) if rows_max else result
    described_set = _description(limited)
    if len(limited.rows) < ROWS_INLINE:
        described_set |= {"numRowsInMessage": len(limited.rows), "data": by_column(limited.columns, limited.rows)}
    else:
        described_set |= {"resultSetHandle": handles.keep(limited)}
    return {"numResults": 1, "results": [{"resultType": "resultSet", "resultSet": described_set}]}


def fetch(result: ResultSet, start: int, size_bytes: int) -> dict[str, object]:
    """Rows from `start` on, about `size_bytes` of them and at least one."""
    count, left = 0, size_bytes
    for row in itertools.islice(result.rows, start, None):
        left -= sum(len(str(value)) + 3 for value in row)
        if left < 0 and count:
            break
        count += 1
    return {"numRows": count, "data": by_column(result.columns, result.rows[start : start + count])}


def by_column(columns: Sequence[Column], rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [[sent(row[index], kind) for row in rows] for index, (_, kind) in enumerate(columns)]


def column_descriptions(columns: Sequence[Column]) -> list[dict[str, object]]:
    return [{"name": name, "dataType": described(kind)} for name, kind in columns]


def _description(result: ResultSet) -> dict[str, object]:
    return {
        "numColumns": len(result.columns),
        "numRows": len(result.rows),
        "numRowsInMessage": 0,
        "columns": column_descriptions(result.columns),
    }
