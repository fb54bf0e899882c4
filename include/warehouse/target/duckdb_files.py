"""One Parquet file from CSV that comes through a pipe, what a file adds up to, and files made from files."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from include.warehouse.column_types import digest
from include.warehouse.column_types.digest import ColumnDigest, Digest
from include.warehouse.column_types.mapped_column import MappedColumn
from include.warehouse.target.duckdb_catalog import literal, name
from include.warehouse.target.port import Produce

# DuckDB's defaults, and the least that it is given. For a longer line it would take a buffer of 16; two are enough.
_LINE_BYTES, _BUFFER_BYTES = 2 * 1024 * 1024, 32 * 1024 * 1024
PIPE_SUFFIX = ".pipe"
_THREAD_POLL_S = 0.05
# Digits that a sum of so many rows may need besides those of its values.
_SUM_DIGITS = 11
_HALF = 10**19


class ProducerFailed(Exception):
    """`error` is what the producer raised."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


class DuckdbFiles:
    """
    Work of one process on Parquet files, in a DuckDB without a file of its own.

    memory_mb, threads   what DuckDB may use
    spill                folder in which a folder is made for what does not fit into the memory
    """

    def __init__(self, *, memory_mb: int, threads: int, spill: Path) -> None:
        spill.mkdir(exist_ok=True)
        self._spill = tempfile.mkdtemp(dir=spill)
        self._connection = duckdb.connect(
            config={
                "memory_limit": f"{memory_mb}MB", "threads": threads, "temp_directory": self._spill,
                # What is read is named by this program; nothing is fetched or loaded from elsewhere.
                "autoinstall_known_extensions": False, "autoload_known_extensions": False,
            }
        )  # fmt: skip
        self._connection.execute("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")

    def close(self) -> None:
        self._connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    def load(
        self, target: Path, columns: Sequence[MappedColumn], produce: Produce, own: Mapping[str, str], longest_line: int
    ) -> None:
        """
        Write `target` from the CSV that `produce` writes; the first columns are `own`, the same in every row.

        ProducerFailed with what `produce` raised, else duckdb.Error. The file is whole when this returns.
        """
        constants = [f"{literal(value)} AS {name(column)}" for column, value in own.items()]
        selected = ", ".join([*constants, *map(_from_csv, columns)])
        with piped(target.with_suffix(PIPE_SUFFIX), produce) as pipe:
            source = _read_csv(pipe, columns, max(longest_line + 1, _LINE_BYTES))
            self.write(target, f"SELECT {selected} FROM {source}")

    def write(self, target: Path, query: str) -> None:
        """Write the rows of a query as one Parquet file."""
        self._connection.execute(f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)")

    def row(self, query: str) -> tuple[Any, ...]:
        return self._connection.execute(query).fetchone()  # type: ignore[return-value]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def stream(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Rows some thousands at a time."""
        cursor = self._connection.cursor()
        result = cursor.execute(query)
        while rows := result.fetchmany(10_000):
            yield from rows

    def digest(self, file: Path, columns: Sequence[MappedColumn]) -> Digest:
        """What the rows add up to."""
        parts = [part for column in columns for part in _parts(column)]
        values = iter(self.row(f"SELECT {', '.join(['count(*)', *parts])} FROM {parquet(file)}"))
        rows = int(next(values))
        digests = {column.name: _column_digest(column, [next(values) for _ in _parts(column)]) for column in columns}
        return Digest(rows, digests)


def parquet(file: Path) -> str:
    """A file as a table of a query."""
    return f"read_parquet({literal(str(file))}, hive_partitioning = false)"


@contextmanager
def piped(pipe: Path, produce: Produce) -> Iterator[Path]:
    """
    A pipe into which a thread lets `produce` write. If that raises: ProducerFailed, in place of the reader's error.

    To the reader, a producer that fails looks like the end of the file; so what was read is void if the block raises.
    A reader that stops early ends the thread by a broken pipe, which is not the error.
    """
    os.mkfifo(pipe, 0o600)
    errors: list[BaseException] = []
    thread = threading.Thread(target=_produce_into, args=(pipe, produce, errors), daemon=True)
    thread.start()
    try:
        yield pipe
    finally:
        while thread.is_alive():
            # A reader that failed before it opened the pipe leaves the thread waiting for one.
            os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
            thread.join(_THREAD_POLL_S)
        pipe.unlink()
        if errors and not isinstance(errors[0], BrokenPipeError):
            raise ProducerFailed(errors[0])


def _produce_into(pipe: Path, produce: Produce, errors: list[BaseException]) -> None:
    try:
        with pipe.open("wb", buffering=256 * 1024) as file:
            produce(file.write)
    except BaseException as error:  # noqa: BLE001  raised where the pipe is read
        errors.append(error)


def _read_csv(pipe: Path, columns: Sequence[MappedColumn], line_bytes: int) -> str:
    types = ", ".join(f"{literal(column.name)}: {literal(_csv_type(column))}" for column in columns)
    return (
        f"read_csv({literal(str(pipe))}, columns = {{{types}}}, auto_detect = false, header = false, delim = ',', "
        "quote = '\"', escape = '\"', new_line = '\\n', nullstr = '', allow_quoted_nulls = false, strict_mode = true, "
        f"parallel = false, max_line_size = {line_bytes}, buffer_size = {max(2 * line_bytes, _BUFFER_BYTES)})"
    )


def _csv_type(column: MappedColumn) -> str:
    return "VARCHAR" if column.kind == "binary" else column.duckdb


def _from_csv(column: MappedColumn) -> str:
    return f"unhex({name(column.name)}) AS {name(column.name)}" if column.kind == "binary" else name(column.name)


def _parts(column: MappedColumn) -> list[str]:
    value = name(column.name)
    if column.kind == "binary":
        return [f"count({value})", f"count(*) FILTER (octet_length({value}) > 0)", f"sum(octet_length({value}))"]
    if column.kind == "text":
        text = f"{value}::VARCHAR"
        return [f"count({value})", f"count(*) FILTER ({text} <> '')", f"sum(length({text}))"]
    number = f"{value}::UTINYINT" if column.duckdb == "BOOLEAN" else value
    limits = [f"min({number})::VARCHAR", f"max({number})::VARCHAR"]
    if column.kind == "approximate":
        limits = [f"min({value}::DOUBLE)::VARCHAR", f"max({value}::DOUBLE)::VARCHAR"]
    return [f"count({value})", *(_sum_parts(column, number) if column.kind == "exact" else []), *limits]


def _sum_parts(column: MappedColumn, number: str) -> list[str]:
    """
    The sum, or for decimals near DuckDB's limit of 38 digits the sums of both halves of their digits.

    A sum of DECIMAL(p,s) is a DECIMAL(38,s), which a few large values exceed.
    """
    precision = _decimal_digits(column)
    if precision + _SUM_DIGITS <= 38:
        return [f"sum({number})::VARCHAR", "NULL"]
    digits = f"replace({number}::VARCHAR, '.', '')::HUGEINT"
    return [f"sum({digits} // {_HALF})::VARCHAR", f"sum({digits} % {_HALF})::VARCHAR"]


def _column_digest(column: MappedColumn, taken: Sequence[Any]) -> ColumnDigest:
    if column.kind in ("text", "binary"):
        present, filled, characters = (int(value or 0) for value in taken)
        return ColumnDigest(present, filled=filled, characters=characters)
    if column.kind == "exact":
        present, upper, lower, least, greatest = taken
        total = upper if lower is None else _joined(column, int(upper), int(lower))
        return ColumnDigest(
            int(present), sum=digest.exact(total), least=digest.exact(least), greatest=digest.exact(greatest)
        )
    canonical = digest.approximate if column.kind == "approximate" else digest.moment
    present, least, greatest = taken
    return ColumnDigest(int(present), least=canonical(least), greatest=canonical(greatest))


def _joined(column: MappedColumn, upper: int, lower: int) -> str:
    scale = int(column.duckdb.rstrip(")").partition(",")[2] or 0)
    digits = upper * _HALF + lower
    sign, text = ("-" if digits < 0 else ""), str(abs(digits)).rjust(scale + 1, "0")
    return f"{sign}{text[:-scale]}.{text[-scale:]}" if scale else f"{sign}{text}"


def _decimal_digits(column: MappedColumn) -> int:
    return int(column.duckdb[len("DECIMAL(") :].partition(",")[0]) if column.duckdb.startswith("DECIMAL") else 0
