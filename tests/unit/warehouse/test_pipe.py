"""The pipe between the source and DuckDB ends, whichever side fails first."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.warehouse.target.duckdb_files import ProducerFailed, piped
from include.warehouse.target.port import Write


def test_what_is_written_is_read(tmp_path: Path) -> None:
    with piped(tmp_path / "pipe", lambda write: write(b"x" * 1_000_000)) as pipe:
        assert pipe.read_bytes() == b"x" * 1_000_000
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_never_opens_it_does_not_leave_the_producer_waiting(tmp_path: Path) -> None:
    with pytest.raises(LookupError), piped(tmp_path / "pipe", lambda write: write(b"x" * 1_000_000)):
        raise LookupError
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_stops_early_has_its_own_error(tmp_path: Path) -> None:
    def produce(write: Write) -> None:
        for _ in range(1000):
            write(b"x" * 100_000)

    def read_some() -> None:
        with piped(tmp_path / "pipe", produce) as pipe, pipe.open("rb") as file:
            file.read(10)
            raise LookupError

    with pytest.raises(LookupError):
        read_some()


def test_a_producer_that_fails_is_the_error_even_where_the_reader_was_content(tmp_path: Path) -> None:
    def produce(write: Write) -> None:
        write(b"half a row")
        raise ConnectionError("gone")

    with pytest.raises(ProducerFailed) as failed, piped(tmp_path / "pipe", produce) as pipe:
        assert pipe.read_bytes() == b"half a row"
    assert isinstance(failed.value.error, ConnectionError)
