"""The sanitizer that a restore starts sees none of its credentials, and its failure is a refusal or a delay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from include.common.processes import bounded
from include.common.processes.bounded import Ended
from include.measurements.errors import RestoreRefused, SanitizerUnavailable
from include.measurements.restore.sanitize_command import sanitize_command

OUTPUT = '{"status": "sanitized"}\n'


class Call(NamedTuple):
    command: Sequence[str]
    environment: Mapping[str, str]


def sanitizer_that_ends(monkeypatch: pytest.MonkeyPatch, code: int, errors: str = "") -> list[Call]:
    calls: list[Call] = []

    def run(
        command: Sequence[str],
        *,
        timeout_s: float,
        on_line: Callable[[str], None],
        environment: Mapping[str, str],
        folder: Path,
    ) -> Ended:
        calls.append(Call(command, environment))
        on_line(OUTPUT.rstrip())
        return Ended(code, "", errors)

    monkeypatch.setattr(bounded, "run", run)
    return calls


def test_the_end_of_its_output_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = sanitizer_that_ends(monkeypatch, 0)
    assert sanitize_command(Path("/map"))(Path("/raw"), Path("/state")) == OUTPUT.rstrip()
    [call] = calls
    assert call.command[1:4] == ["-m", "include.measurements.sanitize", "run"]
    assert "/map" in call.command
    assert set(call.environment) == {"PYTHONPATH"}


def test_a_real_run_sees_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPILLWAY_MONGO_IMPORT_URI", "mongodb://user:s3cret@host/")
    shown = bounded.run(["env"], timeout_s=60, environment={"PYTHONPATH": "p"}, folder=tmp_path).output.splitlines()
    assert {line.partition("=")[0] for line in shown} - {"PWD", "_", "SHLVL"} == {"PATH", "LC_ALL", "PYTHONPATH"}


def test_a_run_that_fails_refuses_the_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    sanitizer_that_ends(monkeypatch, 1, "the bridge map is too old")
    with pytest.raises(RestoreRefused, match="the bridge map is too old"):
        sanitize_command(Path("/map"))(Path("/raw"), Path("/state"))


def test_a_run_that_may_succeed_later_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sanitizer_that_ends(monkeypatch, 3, "another run is at work")
    with pytest.raises(SanitizerUnavailable, match="another run is at work"):
        sanitize_command(Path("/map"))(Path("/raw"), Path("/state"))
