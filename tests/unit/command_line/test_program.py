"""Every command line ends in a result, or in a message with a hint and one of the documented exit codes."""

from __future__ import annotations

import argparse
import io
import json
import os
import pty
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from spool.command_line import ExitCode, Output, Program, UsageError, Verb, VerbEntry
from spool.command_line.exit_codes import MEANINGS, worst
from spool.command_line.options import number_from_0, seconds, whole_number
from spool.errors import AppendUnknown, SettingsError, SpoolError, StoreUnavailable, VerifyFailed

ROOT = Path(__file__).parents[3]
PROGRAMS = [
    "spool",
    "include.measurements",
    "include.measurements.collect",
    "include.measurements.sanitize",
    "include.log_files",
    "include.demo_events",
    "include.counts",
    "include.dead_letters",
    "include.outbox",
    "include.database",
]


def _fail(options: argparse.Namespace, output: Output) -> int:
    raise ERRORS[options.error]


ERRORS: dict[str, BaseException] = {
    "settings": SettingsError("no such stream", hint="add it"),
    "store": StoreUnavailable("no answer", hint="wait"),
    "unknown": AppendUnknown("fsync failed"),
    "differs": VerifyFailed("3 events are missing"),
    "usage": UsageError("--a needs --b"),
    "file": PermissionError(13, "Permission denied", "/root/x"),
    "defect": ValueError("never meant to happen"),
    "recursion": RecursionError("too deep"),
    "interrupt": KeyboardInterrupt(),
}
FAIL = Verb("Fails.", lambda parser: parser.add_argument("error"), _fail)  # type: ignore[arg-type, return-value]
PROGRAM = Program("x", "a program", {"fail": VerbEntry("fail", __name__, "FAIL")})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("settings", ExitCode.FAILED), ("store", ExitCode.TRY_AGAIN), ("unknown", ExitCode.UNKNOWN),
        ("differs", ExitCode.DIFFERENCE), ("usage", ExitCode.USAGE), ("file", ExitCode.FAILED),
        ("defect", ExitCode.DEFECT), ("recursion", ExitCode.DEFECT), ("interrupt", ExitCode.INTERRUPTED),
    ],
)  # fmt: skip
def test_an_error_ends_with_its_exit_code_and_without_a_traceback(
    error: str, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert PROGRAM.main(["fail", error]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_message_comes_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    PROGRAM.main(["fail", "settings"])
    assert capsys.readouterr().err == "SettingsError: no such stream\n  what to do: add it\n"
    PROGRAM.main(["fail", "settings", "--json"])
    row = {"error": "SettingsError", "message": "no such stream", "hint": "add it"}
    assert json.loads(capsys.readouterr().err) == row


def test_the_traceback_of_a_defect_is_shown_on_demand(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    PROGRAM.main(["fail", "defect", "--verbose"])
    assert "Traceback" in caplog.text
    assert "--verbose" in capsys.readouterr().err


def test_the_code_of_several_failures_is_try_again_only_if_that_may_help_all() -> None:
    wait, person = StoreUnavailable("x"), SettingsError("x")
    empty: list[SpoolError] = []
    assert [worst(errors) for errors in (empty, [wait, wait], [wait, person])] == [0, 3, 1]


@pytest.mark.parametrize("module", PROGRAMS)
def test_help_names_every_exit_code(module: str) -> None:
    text = _run(module, "--help").stdout
    for code, meaning in MEANINGS.items():
        assert re.search(rf"^  {code.value} +{re.escape(meaning)}$", text, re.MULTILINE)


def test_the_page_of_exit_codes_is_what_the_programs_do() -> None:
    page = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([0-9]+) \| (.+?) \|", page, re.MULTILINE))
    assert rows == {str(code.value): meaning for code, meaning in MEANINGS.items()}


@pytest.mark.parametrize("module", PROGRAMS[:4])
def test_help_of_a_program_imports_no_client_and_no_numbers(module: str) -> None:
    heavy = {"numpy", "boto3", "botocore", "aiokafka", "confluent_kafka", "pydantic", "pymongo", "rich", "yaml"}
    assert heavy & _imported(module, "--help") == set()


def test_append_to_a_stream_on_disk_imports_no_client_of_s3_or_kafka(tmp_path: Path) -> None:
    environment = {"SPOOL_FOLDER": str(tmp_path), "SPOOL_S3_BUCKET": "none"}
    imported = _imported("spool", "append", "--stream", "demo", lines="{}\n", environment=environment)
    assert "spool.intake.client" in imported
    assert {"numpy", "boto3", "botocore", "confluent_kafka", "rich"} & imported == set()


@pytest.mark.parametrize("module", PROGRAMS)
def test_every_verb_has_help_and_json(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In this process: twenty-odd verbs with a process each would take a minute."""
    program: Program = import_module("spool.cli" if module == "spool" else f"{module}.__main__").PROGRAM
    for verb in program.verbs:
        with pytest.raises(SystemExit) as ended:
            program.main([*filter(None, [verb]), "--help"])
        assert (ended.value.code, "--json" in capsys.readouterr().out) == (0, True), verb


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls", "--stream", "events", "--log", "../x"],
        ["ls", "--stream", "events", "--log", ""],
        ["ls", "--stream", "events", "--max", "many"],
        ["cat", "--stream", "events", "--log", "a/b"],
        ["rewind", "--stream", "events", "--log", "..", "--to", "0"],
        ["rewind", "--stream", "events", "--log", "x", "--to", "9" * 5000],
        ["append", "--stream", "events", "--timeout", "nan"],
        ["append", "--stream", "events", "--timeout", "soon"],
        ["replay", "--seconds", "-1"],
        ["nonsense"],
        [],
    ],
)
def test_a_wrong_command_line_is_a_usage_error(arguments: list[str]) -> None:
    ended = _run("spool", *arguments, check=False)
    assert ended.returncode == ExitCode.USAGE
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (b"[" * 100_000 + b"\n", "line 1: not JSON"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n", "line 1: not JSON"),
        (b"\xff\n", "line 1: not JSON"),
        (b'{"k": "\\ud800"}\n', "line 1: its key"),
        (b'{"k": ' + b"1" * 5_000 + b"}\n", "line 1: not JSON"),
    ],
    ids=["list", "object", "bytes", "surrogate", "number"],
)
def test_hostile_lines_are_refused_by_number(tmp_path: Path, lines: bytes, words: str) -> None:
    environment = {"SPOOL_FOLDER": str(tmp_path), "SPOOL_S3_BUCKET": "none"}
    command = [sys.executable, "-m", "spool", "append", "--stream", "demo", "--key-field", "k"]
    ended = subprocess.run(
        command, input=lines, capture_output=True, check=False, cwd=ROOT, env={**os.environ, **environment}
    )
    assert ended.returncode == ExitCode.FAILED
    assert words in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()


@pytest.mark.parametrize(
    ("kind", "text"),
    [(whole_number, "0"), (whole_number, "1.5"), (number_from_0, "-1"), (seconds, "inf"), (seconds, "nan")],
)  # fmt: skip
def test_an_option_out_of_range_is_refused(kind: object, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be"):
        kind(text)  # type: ignore[operator]


ROWS = [{"stream": "[red]events[/red]", "events": 1200, "green": True}, {"stream": "x", "events": 7, "green": None}]


def test_a_table_in_a_pipe_is_plain_aligned_text() -> None:
    out = io.StringIO()
    Output(as_json=False, out=out).table(ROWS, empty="none")
    assert out.getvalue().splitlines()[2:] == ["[red]events[/red]   1,200  yes", "x                       7  -"]


def test_on_a_terminal_a_table_has_lines_and_shows_names_as_they_are() -> None:
    text = _on_a_terminal(lambda output: output.table(ROWS, empty="none"))
    assert "\u2502" in text
    assert "[red]events[/red]" in text


def test_progress_is_a_bar_on_a_terminal_and_nothing_elsewhere() -> None:
    def work(output: Output) -> None:
        with output.progress("append", total=2) as advance:
            advance(2)

    assert "append" in _on_a_terminal(work)
    err = io.StringIO()
    work(Output(as_json=False, out=io.StringIO(), err=err))
    assert err.getvalue() == ""


def _on_a_terminal(work) -> str:  # type: ignore[no-untyped-def]
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        work(Output(as_json=False, out=terminal, err=terminal))
        terminal.flush()
        text = os.read(ours, 65_536).decode()
    os.close(ours)
    return text


def _run(module: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=check, cwd=ROOT, input="")


def _imported(module: str, *arguments: str, lines: str = "", environment: dict[str, str] | None = None) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", module, *arguments]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, input=lines,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    return {line.rsplit("|", 1)[1].strip() for line in ended.stderr.splitlines() if line.startswith("import time:")}
