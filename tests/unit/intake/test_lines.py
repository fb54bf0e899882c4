"""Lines from a pipe: bounded, with pauses, and with an end on request."""

from __future__ import annotations

import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from spool.intake.lines import Line, Overlong, Pause, read_lines


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def never() -> bool:
    return False


def lines_of(path: Path, **limits: int) -> list[Line]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return list(read_lines(descriptor, is_stopped=never, **limits))
    finally:
        os.close(descriptor)


TEXTS = [b"", b"a\n", b"a", b"a\n\nb\r\nc", b"x" * 200_000 + b"\n" + b"y" * 100_000, b"\n" * 70_000]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: f"{len(text)} bytes")
def test_lines_are_those_of_a_file_object(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "file").write_bytes(text)
    with (tmp_path / "file").open("rb") as file:
        assert lines_of(tmp_path / "file") == file.readlines()


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_of_the_largest_size_passes_and_one_byte_more_does_not(tmp_path: Path, end: bytes) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100 + b"\n" + b"y" * 101 + b"\n" + b"z" * 101 + end)
    assert lines_of(tmp_path / "file", line_bytes_max=100) == [
        b"x" * 100 + b"\n", Overlong(102), Overlong(101 + len(end)),
    ]  # fmt: skip


def test_an_overlong_line_costs_no_memory_and_the_next_line_is_whole(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    size = 50_000_000

    def write() -> None:
        block = b"x" * 1_000_000
        for _ in range(size // len(block)):
            view = memoryview(block)
            while view:
                view = view[os.write(write_end, view) :]
        os.write(write_end, b"\nnext\n")
        os.close(write_end)

    thread = threading.Thread(target=write)
    tracemalloc.start()
    thread.start()
    lines = list(read_lines(read_end, is_stopped=never, line_bytes_max=100_000, idle_s=60))
    thread.join()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert lines == [Overlong(size + 1), b"next\n"]
    assert peak < 5_000_000


def test_a_pipe_that_is_silent_gives_a_pause_and_then_goes_on(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    lines = read_lines(read_end, is_stopped=never, idle_s=0.01)
    os.write(write_end, b"one\nhalf ")
    assert next(lines) == b"one\n"
    assert next(lines) is Pause.IDLE
    os.write(write_end, b"a line\n")
    assert next(line for line in lines if line is not Pause.IDLE) == b"half a line\n"


def test_a_stop_ends_the_lines_and_leaves_out_half_a_line(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    stop = threading.Event()
    lines = read_lines(read_end, is_stopped=stop.is_set, idle_s=0.01)
    os.write(write_end, b"one\nhalf a line")
    assert next(lines) == b"one\n"
    stop.set()
    assert [line for line in lines if line is not Pause.IDLE] == [Pause.STOPPED]
