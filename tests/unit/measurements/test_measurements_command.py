from __future__ import annotations

import json

import pytest

from include.measurements import __main__ as command
from include.measurements import commands
from spool.command_line import ExitCode
from tests.fakes.memory_measurements import MemoryMeasurements
from tests.support.measurement_state import MeasurementState


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryMeasurements:
    made = MemoryMeasurements()
    monkeypatch.delenv("SPOOL_FOLDER", raising=False)
    monkeypatch.setenv("SPILLWAY_MONGO_IMPORT_URI", "mongodb://user:s3cret@127.0.0.1/measurements")
    monkeypatch.setattr(commands, "MeasurementStore", lambda database: made)
    monkeypatch.setattr(commands.mongo, "database", lambda uri: None)
    monkeypatch.setattr("include.measurements.load.pipeline.observations", lambda *_: [])
    return made


def run(state: MeasurementState, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    code = command.main([*arguments, "--state", str(state.folders.root), "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out or printed.err.splitlines()[-1])


def test_the_verbs_carry_a_report_from_staging_to_the_mirror(
    state: MeasurementState, store: MemoryMeasurements, capsys: pytest.CaptureFixture[str]
) -> None:
    state.stage_report("north/b1/r")
    assert run(state, capsys, "postprocess")[1]["out"] == 1
    code, row = run(state, capsys, "import")
    assert (code, row["sums"], row["bridges"]) == (0, {"inserted": 2, "replaced": 0}, {})
    assert run(state, capsys, "publish")[1]["published"] == 1
    assert (state.folders.public / "reports/IT/north/b1/r.gz").exists()
    assert json.loads((state.folders.exports / "bridges-by-country-code.json").read_text()) == {}


def test_limits_can_be_given(
    state: MeasurementState, store: MemoryMeasurements, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        state.stage_report(name)
    assert run(state, capsys, "postprocess", "--max-reports", "1")[1]["left"] == 2


def test_a_bad_report_is_no_failure_of_the_run(
    state: MeasurementState, store: MemoryMeasurements, capsys: pytest.CaptureFixture[str]
) -> None:
    state.stage_report("bad")
    state.folders.path("staging", "bad").write_text("")
    code, row = run(state, capsys, "postprocess")
    assert (code, row["errored"]) == (0, 1)


def test_a_missing_address_is_named(
    state: MeasurementState, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPILLWAY_MONGO_IMPORT_URI", raising=False)
    code, row = run(state, capsys, "import")
    assert (code, row["error"]) == (1, "SettingsError")
    assert "SPILLWAY_MONGO_IMPORT_URI" in str(row["message"])


def test_an_address_that_is_none_does_not_show_its_password(
    state: MeasurementState, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPILLWAY_MONGO_IMPORT_URI", "mongodb://user:s3cr/t@host:port:x/")
    assert command.main(["import", "--state", str(state.folders.root)]) == 1
    assert "s3cr" not in "".join(capsys.readouterr())


def test_another_run_at_work_means_try_again(
    state: MeasurementState, store: MemoryMeasurements, capsys: pytest.CaptureFixture[str]
) -> None:
    with state.folders.alone("measurements"):
        assert run(state, capsys, "publish")[0] == ExitCode.TRY_AGAIN


def test_restore_shows_its_plan_unless_told_to_act(
    state: MeasurementState, store: MemoryMeasurements, capsys: pytest.CaptureFixture[str]
) -> None:
    code, row = run(state, capsys, "restore", "none.gz", "--bridges", "/none")
    assert (code, row["error"]) == (1, "RestoreRefused")
    (state.folders.root / "archive" / "r.gz").write_bytes(b"")
    code, row = run(state, capsys, "restore", "r.gz", "--bridges", "/none")
    assert (code, row["done"], row["report"]) == (0, False, "r")
