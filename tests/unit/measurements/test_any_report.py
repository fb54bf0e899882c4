"""Whatever goes wrong with one measurement report is a verdict on it: matrix over permanent failures and places."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from include.measurements.errors import MeasurementReportsStuck, MongoRefused, MongoUnavailable
from include.measurements.load import prepared_file
from spool.errors import SpoolFull
from tests.fakes.memory_measurements import MemoryMeasurements
from tests.support.measurement_state import MeasurementState

NAMES = ("north/b1/r1", "north/b1/r2", "north/b1/r3")
EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
EXTREMES = {
    "year 1, east": datetime(1, 1, 1, tzinfo=EAST), "year 1": datetime(1, 1, 1, tzinfo=UTC),
    "year 9999, west": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=WEST),
    "year 9999": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "year 1, no zone": datetime(1, 1, 1), "huge": 10**4000, "tiny": -(10**4000),  # noqa: DTZ001
    "set of odd": {10**4000, "x", 1.5}, "infinite": float("inf"), "NUL": "a\0b", "bytes": b"\0\xff",
    "empty key": {"": 1},
    "odd keys": {10**4000: 1, None: 2, 1.5: 3, datetime(1, 1, 1, tzinfo=EAST): 4, ("a", 1): 5, "$a.b": 6, "a\0": 7},
}  # fmt: skip


def report_text(*documents: object) -> str:
    return yaml.dump_all(documents, Dumper=yaml.SafeDumper, explicit_start=True, explicit_end=True)


@pytest.mark.parametrize("odd", EXTREMES.values(), ids=EXTREMES)
@pytest.mark.parametrize("where", ["entry", "header", "start"])
def test_values_at_the_ends_of_what_can_be_said_are_imported(
    state: MeasurementState, odd: object, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.stage_report(NAMES[0])
    state.stage_report(NAMES[1])
    documents: list[dict[object, object]] = [
        {"test_name": "x", **({"y": odd} if where == "header" else {"test_start_time": odd, "start_time": odd})},
        {"input": odd if where == "entry" else 1},
    ]
    if where == "entry":
        documents[0] = {"test_name": "x"}
    # Given as loaded, because YAML cannot say every one of them.
    loaded = prepared_file.measurement_report.documents
    monkeypatch.setattr(
        prepared_file.measurement_report,
        "documents",
        lambda path: iter(documents) if path.name == "r2" else loaded(path),
    )
    store = MemoryMeasurements()
    assert state.postprocess().out == 2
    assert state.import_reports(store).out == 2
    assert state.open_counts() == []


@pytest.mark.parametrize(
    "text",
    [
        "--- {test_name: x}\n--- {a: 0001-01-01 00:00:00 +14:00}\n",
        "--- {test_name: x}\n--- {a: 9999-12-31 23:59:59 -12:00}\n",
        "--- {test_name: x, test_start_time: 0001-01-01 00:00:00 +14:00}\n--- {a: 1}\n",
        "--- {test_name: x, start_time: 1.0e+300}\n--- {a: 1}\n",
        "--- {test_name: x, start_time: " + "9" * 4000 + "}\n--- {a: 1}\n",
        "--- {test_name: x, start_time: " + "9" * 5000 + "}\n--- {a: 1}\n",
        "--- {test_name: x}\n--- {? [a, b] : 1}\n",
        "--- {test_name: x}\n--- {? {a: b} : 1}\n",
        "--- {test_name: x}\n--- {a: !!binary '$'}\n",
        "--- {test_name: x}\n--- {a: !!timestamp x}\n",
        "--- {test_name: x}\n--- {<<: 1}\n",
        "--- {test_name: x}\n--- {a: !!int ''}\n",
        "--- {test_name: x}\n--- {a: !!float ':'}\n",
        "--- {test_name: x}\n--- {a: !!set [1]}\n",
        "--- {test_name: x}\n--- {a: !!omap x}\n",
        "--- {test_name: x}\n--- {a: 1:99999999999:1}\n",
        "--- {test_name: x}\n--- {a: .}\n--- {a: 0x}\n--- {a: 0b}\n--- {a: 1__0}\n",
        '--- {test_name: x}\n--- {a: "\\ud800"}\n',
    ],
)
@pytest.mark.parametrize("bad", NAMES)
def test_a_report_of_odd_yaml_ends_in_one_state_and_the_two_others_go_on(
    state: MeasurementState, text: str, bad: str
) -> None:
    for name in NAMES:
        state.stage_report(name)
    state.folders.path("staging", bad).write_text(text)
    state.postprocess()
    state.import_reports(MemoryMeasurements())
    state.publish()
    states = state.states()
    assert {name: states[name] for name in NAMES if name != bad} == {n: ["imported"] for n in NAMES if n != bad}
    assert len(states[bad]) == 1
    assert state.open_counts() == []


FAILURES = {
    "denied": PermissionError(13, "Permission denied"), "too long": OSError(36, "File name too long"),
    "overflow": OverflowError("date value out of range"), "recursion": RecursionError(), "bug": KeyError("x"),
    "assertion": AssertionError(), "unicode": UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"),
}  # fmt: skip


@pytest.mark.parametrize("bad", NAMES)
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_any_exception_about_one_report_is_a_verdict_on_it(
    state: MeasurementState, bad: str, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        state.stage_report(name)
    make = prepared_file.make

    def failing(report: Path, prepared: Path) -> object:
        if state.folders.path("staging", bad) == report:
            raise failure
        return make(report, prepared)

    monkeypatch.setattr(prepared_file, "make", failing)
    summary = state.postprocess()
    assert (summary.out, summary.errored) == (2, 1)
    assert state.states() == {name: ["errored" if name == bad else "reports"] for name in NAMES}
    assert state.open_counts() == []


@pytest.mark.parametrize("bad", NAMES)
def test_a_document_that_the_database_does_not_take_is_a_verdict_on_its_report(
    state: MeasurementState, bad: str
) -> None:
    class Choosy(MemoryMeasurements):
        def put(self, about, entries, report_file):  # type: ignore[no-untyped-def]
            if report_file == bad:
                raise OverflowError("BSON can only handle up to 8-byte ints")
            return super().put(about, entries, report_file)

    for name in NAMES:
        state.stage_report(name)
    state.postprocess()
    assert state.import_reports(Choosy()).errored == 1
    assert state.states() == {name: ["errored" if name == bad else "imported"] for name in NAMES}


@pytest.mark.parametrize(
    "fault",
    [OSError(5, "EIO"), OSError(24, "EMFILE"), OSError(28, "ENOSPC"), MemoryError(), MongoUnavailable("away"),
     MongoRefused("password"), SpoolFull("full")],
    ids=lambda fault: type(fault).__name__ + str(fault),
)  # fmt: skip
def test_a_fault_of_machine_database_or_spool_ends_the_run_and_judges_nobody(
    state: MeasurementState, fault: Exception
) -> None:
    for name in NAMES:
        state.stage_report(name)
    state.postprocess()
    store = MemoryMeasurements()
    store.failures = [fault]
    with pytest.raises(type(fault)):
        state.import_reports(store)
    assert state.states() == {name: ["reports"] for name in NAMES}
    assert state.import_reports(store).out == 3
    assert state.open_counts() == []


@pytest.mark.parametrize("bad", NAMES)
def test_a_report_that_cannot_even_be_moved_is_named_at_the_end(
    state: MeasurementState, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        state.stage_report(name)
    state.folders.path("staging", bad).write_text("")
    hold: Callable[..., Path] = state.folders.hold

    def failing(source: Path, *rest: object) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(state.folders, "hold", failing)
    with pytest.raises(MeasurementReportsStuck, match=bad):
        state.postprocess()
    assert state.states() == {name: ["staging" if name == bad else "reports"] for name in NAMES}
    monkeypatch.setattr(state.folders, "hold", hold)
    assert state.postprocess().errored == 1
    assert state.open_counts() == []


def test_the_same_report_from_two_batches_is_imported_once(state: MeasurementState) -> None:
    for name in ("north/b1/r", "north/b2/r"):
        state.stage_report(name, input_hashes=["h"])
    state.stage_report("north/b3/r", {"input": "other"}, input_hashes=["h"])
    store = MemoryMeasurements()
    state.postprocess()
    summary = state.import_reports(store)
    state.publish()
    assert (summary.out, summary.errored) == (2, 1)
    assert state.states()["north/b2/r"] == ["errored"]
    held = state.folders.held_path("errored", "duplicate", "north/b2/r")
    assert "north/b1/r" in state.folders.reasons.read(held)["message"]
    assert len(store.reports) == 2


def test_importing_a_report_again_is_no_duplicate_of_itself_or_of_one_that_has_left(state: MeasurementState) -> None:
    store = MemoryMeasurements()
    state.stage_report("north/b1/r", input_hashes=["h"])
    state.postprocess()
    state.import_reports(store)
    imported = state.folders.path("imported", "north/b1/r")
    state.folders.path("reports", "north/b1").mkdir(parents=True, exist_ok=True)
    imported.rename(state.folders.path("reports", "north/b1/r"))
    assert state.import_reports(store).out == 1
    imported.unlink()
    state.stage_report("north/b2/r", input_hashes=["h"])
    state.postprocess()
    assert state.import_reports(store).out == 1
