"""Every emitted event has a described type, and a shape that is recorded changes only with its version."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from include.common.event_type import FeatureEvent
from include.demo_events.config import DemoRequest
from include.demo_events.events import DemoEvent
from include.demo_events.generate import appends
from include.measurements.events import MeasurementReportImported
from plugins import event_docs
from plugins.event_docs import DEPLOYMENT, broken, load_types, main, recorded, render, shape
from spool import settings

TODAY = "2026-01-02"


def invoice_type(version: int = 1, stream: str = "invoices", **hints: object) -> type[FeatureEvent]:
    namespace = {
        "__doc__": "An amount has arrived.",
        "__annotations__": {name: Annotated[kind, f"the {name}"] for name, kind in hints.items()},
        "event_key": lambda self: self.key,
    }
    made = type("InvoicePaid", (FeatureEvent,), namespace, type="invoice.paid", version=version, stream=stream)
    return dataclass(frozen=True)(made)


FIRST = invoice_type(key=str, cents=int)


def test_what_is_generated_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "changed",
    [
        invoice_type(key=str),
        invoice_type(key=str, cents=int, payer=str),
        invoice_type(key=str, euros=int),
        invoice_type(key=str, cents=float),
        invoice_type(key=str, cents=int | None),
        invoice_type(key=str, cents=int, stream="payments"),
    ],
    ids=["removed", "added", "renamed", "another type", "may be null", "another stream"],
)
def test_a_type_that_changes_its_shape_needs_a_new_version(changed: type[FeatureEvent]) -> None:
    record = recorded([FIRST], {}, TODAY)
    assert broken([FIRST], record) == []
    [sentence] = broken([changed], record)
    assert "invoice.paid" in sentence
    assert "version=2" in sentence


def test_a_field_that_becomes_optional_needs_a_new_version() -> None:
    @dataclass(frozen=True)
    class InvoicePaid(FeatureEvent, type="invoice.paid", stream="invoices"):
        key: Annotated[str, "the key"]
        cents: Annotated[int, "the cents"] = 0

    assert len(broken([InvoicePaid], recorded([FIRST], {}, TODAY))) == 1


def test_a_new_version_is_recorded_beside_the_old_one_whose_shape_stays() -> None:
    record = recorded([FIRST], {}, TODAY)
    second = invoice_type(version=2, key=str, cents=int, payer=str)
    assert broken([second], record) == []
    both = recorded([second], record, "2026-03-04")
    assert both["invoice.paid"]["1"] == record["invoice.paid"]["1"]
    assert both["invoice.paid"]["2"] == {"since": "2026-03-04", **shape(second)}
    assert "version 1 since 2026-01-02, version 2 since 2026-03-04" in render([second], both)


@pytest.mark.parametrize("version", [1, 4], ids=["back", "over one"])
def test_versions_count_up_by_one(version: int) -> None:
    second = invoice_type(version=2, key=str)
    record = recorded([second], recorded([FIRST], {}, TODAY), TODAY)
    assert len(broken([invoice_type(version=version, key=str, cents=int)], record)) == 1


def test_a_type_that_is_no_longer_emitted_stays_in_the_record_and_on_the_page() -> None:
    record = recorded([], recorded([FIRST], {}, TODAY), TODAY)
    assert "invoice.paid" in record
    assert "## No longer emitted\n\n`invoice.paid`" in render([], record)


def test_a_shape_that_is_changed_in_the_code_fails_the_check_and_is_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    # The record is kept over the years; the page beside it is what is missing.
    (tmp_path / "docs" / "events.json").write_text((DEPLOYMENT / "docs" / "events.json").read_text())
    assert main(["--check"], tmp_path) == 1
    assert "make event-docs" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    before = (tmp_path / "docs" / "events.json").read_text()

    types = [invoice_type(key=str), *load_types()]
    monkeypatch.setattr(event_docs, "load_types", lambda: types)
    assert main([], tmp_path) == 0  # a new type is no change of another
    types[0] = FIRST
    for arguments in (["--check"], []):
        assert main(arguments, tmp_path) == 1
        assert "give it `version=2`" in capsys.readouterr().err
    after = json.loads((tmp_path / "docs" / "events.json").read_text())
    assert {**after, "invoice.paid": None} == {**json.loads(before), "invoice.paid": None}
    assert after["invoice.paid"]["1"]["fields"].keys() == {"key"}


def test_a_field_without_a_meaning_and_one_called_version_are_refused() -> None:
    @dataclass(frozen=True)
    class Bare(FeatureEvent, type="bare", stream="invoices"):
        key: str

    with pytest.raises(SystemExit, match=r"bare\.key has no meaning"):
        shape(Bare)
    with pytest.raises(SystemExit, match="cannot be called `version`"):
        shape(_with_field_version())


def _with_field_version() -> type[FeatureEvent]:
    @dataclass(frozen=True)
    class Odd(FeatureEvent, type="odd", stream="invoices"):
        key: Annotated[str, "the key"]
        version: Annotated[int, "a number"]  # type: ignore[misc]

    return Odd


def test_every_stream_of_a_type_is_one_of_the_settings() -> None:
    streams = settings.load().streams
    assert {event.type: event.stream for event in load_types() if event.stream not in streams} == {}


def test_the_types_of_all_features_and_of_the_listener_are_there() -> None:
    names = {event.type for event in load_types()}
    assert {"measurement_report.imported", "airflow.dag_run.running", "spillway.demo", "log.line"} <= names
    assert MeasurementReportImported in load_types()


def test_the_bytes_of_a_demo_event_have_the_fields_of_its_type() -> None:
    event = next(appends(DemoRequest(events=1, group_share=0.0))).events[0]
    payload = json.loads(event.value)
    assert payload.keys() == shape(DemoEvent)["fields"].keys()
    assert DemoEvent(**payload).event_key().encode() == event.key


def test_no_feature_names_a_type_of_event_in_a_string() -> None:
    """A type that is spelled out beside events.py would be emitted without a description."""
    names = {event.type for event in load_types()}
    spelled = [
        f"{path.relative_to(DEPLOYMENT)}:{node.lineno}"
        for room in ("include", "plugins")
        for path in (DEPLOYMENT / room).rglob("*.py")
        if path.name != "events.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert spelled == []
