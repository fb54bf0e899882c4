"""What a producer writes, read from the other end: whole, empty, or ended by an error."""

from __future__ import annotations

import pytest

from include.warehouse.target.port import Produce, Write
from include.warehouse.target.pulled import ProducerStopped, pulled

PIECE = b"0123456789" * 100_000


def writing(*pieces: bytes) -> Produce:
    def produce(write: Write) -> None:
        for piece in pieces:
            write(piece)

    return produce


def failing(*pieces: bytes) -> Produce:
    def produce(write: Write) -> None:
        writing(*pieces)(write)
        raise ConnectionError("the source went away")

    return produce


def test_bytes_arrive_as_they_were_written() -> None:
    copied: list[bytes] = []
    with pulled(writing(b"a", PIECE, b"", PIECE)) as source:
        assert not source.is_empty
        source.copy(copied.append)
    assert b"".join(copied) == b"a" + PIECE + PIECE


def test_a_producer_of_nothing_is_empty() -> None:
    with pulled(writing()) as source:
        assert source.is_empty


@pytest.mark.parametrize("pieces", [(), (b"a",), (PIECE, PIECE)])
def test_the_error_of_the_producer_is_what_is_raised(pieces: tuple[bytes, ...]) -> None:
    def read() -> None:
        with pulled(failing(*pieces)) as source:
            if not source.is_empty:
                with pytest.raises(ProducerStopped):
                    source.copy(lambda piece: None)
                raise ValueError("what the reader makes of it")

    with pytest.raises(ConnectionError, match="went away"):
        read()


def test_a_reader_that_stops_early_ends_the_producer_and_keeps_its_own_error() -> None:
    with pytest.raises(ValueError, match="enough"), pulled(writing(*[PIECE] * 20)):
        raise ValueError("enough")
