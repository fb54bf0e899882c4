"""The sanitizer that a restore starts sees none of its credentials."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.measurements.errors import RestoreRefused
from include.measurements.restore.sanitize_command import sanitize_command


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    call = SimpleNamespace(returncode=0, stdout=b'{"status": "sanitized"}\n', stderr=b"")

    def run(command: list[object], **options: Any) -> SimpleNamespace:
        call.command, call.options = command, options
        return call

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("SPILLWAY_MONGO_IMPORT_URI", "mongodb://user:s3cret@host/")
    monkeypatch.setenv("AIRFLOW_CONN_MONGO_IMPORT", "s3cret")
    return call


def test_it_is_another_process_with_an_almost_empty_environment(called: SimpleNamespace) -> None:
    said = sanitize_command(Path("/map"))(Path("/raw"), Path("/state"))
    assert said == '{"status": "sanitized"}'
    assert set(called.options["env"]) == {"PATH", "PYTHONPATH"}
    assert called.command[1:4] == ["-m", "include.measurements.sanitize", "run"]
    assert Path("/map") in called.command


def test_a_run_that_fails_refuses_the_restore(called: SimpleNamespace) -> None:
    called.returncode, called.stderr = 1, b"the bridge map is too old"
    with pytest.raises(RestoreRefused, match="the bridge map is too old"):
        sanitize_command(Path("/map"))(Path("/raw"), Path("/state"))
