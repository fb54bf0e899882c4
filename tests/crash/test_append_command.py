"""`python -m spool append` as a process: slow pipes, SIGTERM, hostile lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from stack.place import REPOSITORY

pytestmark = pytest.mark.crash

# A stream that is acknowledged on disk needs a store to be named, not to be there.
NOWHERE = {
    "SPOOL_S3_BUCKET": "none", "SPOOL_S3_ENDPOINT": "http://127.0.0.1:9", "SPOOL_S3_ACCESS_KEY": "x",
    "SPOOL_S3_SECRET_KEY": "x",
}  # fmt: skip
SETTINGS = {
    "version": 1, "root": "spool", "checkpoint_topic": "c", "checkpoint_partitions": 1, "deliveries_topic": "d",
    "deliveries_retention_days": 1,
    "streams": {"events": {"topic": "events", "acknowledgement": "disk", "persistent": True}},
}  # fmt: skip


@contextmanager
def appending(tmp_path: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    config = tmp_path / "spool.yml"
    config.write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "spool",
        "append",
        "--stream",
        "events",
        "--config",
        str(config),
        "--json",
        *options,
    ]
    environment = {**os.environ, **NOWHERE, "SPOOL_FOLDER": str(tmp_path / "spool"), "PYTHONPATH": str(REPOSITORY)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, cwd=REPOSITORY)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def send(process: subprocess.Popen[bytes], *lines: str) -> None:
    assert process.stdin is not None
    process.stdin.write("".join(f"{line}\n" for line in lines).encode())
    process.stdin.flush()


def answer(process: subprocess.Popen[bytes]) -> dict[str, object]:
    assert process.stdout is not None
    document: dict[str, object] = json.loads(process.stdout.readline())
    return document


def test_five_lines_of_a_slow_pipe_are_appended_while_it_stays_open(tmp_path: Path) -> None:
    with appending(tmp_path) as process:
        send(process, *[f'{{"n":{number}}}' for number in range(5)])
        last = 0
        while last < 5:
            last = int(str(answer(process)["last_line"]))
        assert process.poll() is None


def test_sigterm_is_a_clean_end(tmp_path: Path) -> None:
    with appending(tmp_path, "--group-field", "g") as process:
        send(process, '{"n":1}')
        assert answer(process)["last_line"] == 1, "it runs, and its handler is there"
        send(process, '{"n":2}', '{"n":3,"g":"x"}')
        assert answer(process)["last_line"] == 2
        process.send_signal(signal.SIGTERM)
        assert answer(process)["accepted"] == 2, "the group, which may go on, is left out"
        assert process.wait(240) == 0


@pytest.mark.parametrize("bad", ["[" * 100_000, '{"v":"' + "x" * 3_000_000 + '"}'])
def test_a_hostile_line_is_named_and_those_before_it_are_in(tmp_path: Path, bad: str) -> None:
    with appending(tmp_path) as process:
        output, errors = process.communicate("\n".join(['{"n":1}', '{"n":2}', bad, '{"n":3}']).encode(), timeout=240)
    rows = [json.loads(row) for row in output.decode().splitlines()]
    assert rows[-1]["accepted"] == 2
    assert "line 3" in errors.decode() + output.decode()
    assert "Traceback" not in errors.decode()
    assert process.returncode != 0
