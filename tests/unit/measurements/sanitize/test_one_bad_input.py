"""One bad unit stops no other, and what is wrong with the machine judges no measurement report."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.measurements.sanitize import __main__ as program
from include.measurements.sanitize import pipeline
from include.measurements.sanitize.bridge_map import BridgeMap
from include.measurements.sanitize.errors import BridgeMapRefused, MachineFault
from include.measurements.sanitize.known_tests import KnownTests
from include.measurements.sanitize.reader import Reader
from include.measurements.sanitize.redrive import find, redrive
from include.measurements.sanitize.report_secrets import ReportSecrets
from include.measurements.sanitize.rules import Rules
from include.measurements.sanitize.sanitize_report import Reading, sanitize_report
from include.measurements.sanitize.secret_forms import Secrets
from include.measurements.sanitize.slicing import slices
from include.measurements.sanitize.yaml_document import DocumentLimits
from tests.support.raw_batches import RawBatches, report

PLAIN = "{connection: success, input: 'example.org:80'}"


@pytest.fixture
def raw(tmp_path: Path) -> RawBatches:
    return RawBatches(tmp_path / "state")


def failing(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    """Reading the report of this name fails."""
    sanitize = Reader.sanitize

    def failing_sanitize(self: Reader, file: str, *rest: Any) -> Any:
        if file == name:
            raise error
        return sanitize(self, file, *rest)

    monkeypatch.setattr(Reader, "sanitize", failing_sanitize)


def with_progress(tell: Callable[[], None]) -> Callable[[pipeline.Job], pipeline.Job]:
    return lambda job: replace(job, on_settled=lambda report: tell())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.ENOMEM, errno.EIO])
def test_a_fault_of_the_machine_ends_the_run_and_moves_nothing(
    raw: RawBatches, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    raw.drop("north/b1", {"1.2.3.4": report(PLAIN), "y": report(PLAIN)})
    failing(monkeypatch, "1.2.3.4", OSError(number, "in", "/raw/1.2.3.4"))
    with pytest.raises(MachineFault) as fault:
        raw.run()
    assert "1.2.3.4" not in str(fault.value)
    assert raw.places() == {"north/b1/1.2.3.4": ["raw"], "north/b1/y": ["raw"]}
    monkeypatch.undo()
    assert (raw.run().sanitized, raw.counts().difference) == (1, 0)


@pytest.mark.parametrize("bad", ["x", "y", "z"])
@pytest.mark.parametrize(
    ("error", "reason"), [(PermissionError(errno.EACCES, "x"), "unreadable"), (ValueError("1.2.3.4"), "unexpected")]
)
def test_whatever_else_goes_wrong_with_a_report_is_a_verdict_on_it(
    raw: RawBatches,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    reason: str,
    bad: str,
) -> None:
    raw.drop("north/b1", {name: report(PLAIN) for name in "xyz"})
    failing(monkeypatch, bad, error)
    raw.run()
    states = dict.fromkeys("xyz", "staging") | {bad: f"errored/{reason}"}
    assert raw.places() == {f"north/b1/{name}": [state] for name, state in states.items()}
    assert "1.2.3.4" not in caplog.text


def without_manifest(batch: Path) -> None:
    batch.with_name(batch.name + ".manifest").unlink()
    batch.with_name(batch.name + ".manifest").mkdir()


def with_damaged_manifest(batch: Path) -> None:
    batch.with_name(batch.name + ".manifest").write_bytes(b"\xff")


def with_unknown_file(batch: Path) -> None:
    (batch / ".nfs0001").touch()


def with_link(batch: Path) -> None:
    (batch / "x").unlink()
    (batch / "x").symlink_to("/etc/hostname")


def with_pipe(batch: Path) -> None:
    (batch / "x").unlink()
    os.mkfifo(batch / "x")


@pytest.mark.parametrize("bad", ["b1", "b2", "b3"])
@pytest.mark.parametrize("spoil", [without_manifest, with_damaged_manifest, with_unknown_file, with_link, with_pipe])
def test_a_batch_that_cannot_be_read_is_refused_and_the_two_others_are_sanitized(
    raw: RawBatches, spoil: Callable[[Path], None], bad: str
) -> None:
    for batch in ("b1", "b2", "b3"):
        raw.drop(f"north/{batch}", {"x": report(PLAIN)})
    spoil(raw.state / "raw/north" / bad)
    summary = raw.run()
    assert (summary.sanitized, summary.refused) == (2, [f"north/{bad}"])
    assert all(raw.places()[f"north/{batch}/x"] == ["staging"] for batch in {"b1", "b2", "b3"} - {bad})


def test_a_report_whose_name_is_as_long_as_names_can_be_is_sanitized(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x" * 251: report(PLAIN), "y" * 255: report(PLAIN), "z" * 255: b""})
    summary = raw.run()
    assert (summary.sanitized, summary.errored) == (2, 1)


def test_a_folder_named_like_a_manifest_and_a_file_that_none_knows_refuse_their_batches_only(raw: RawBatches) -> None:
    raw.drop("north/b2", {"x": report(PLAIN)})
    raw.drop("north/b3", {"x": report(PLAIN)})
    (raw.state / "raw/north/b1.manifest").mkdir()
    (raw.state / "raw/north/b2/.nfs0001").write_bytes(b"")
    assert raw.run().refused == ["north/b1", "north/b2"]
    assert raw.places()["north/b3/x"] == ["staging"]


def test_a_file_that_appears_during_the_run_keeps_its_batch_and_no_other(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x": report(PLAIN)})
    raw.drop("north/b2", {"x": report(PLAIN)})
    summary = raw.run(with_progress((raw.state / "raw/north/b1/.nfs0001").touch))
    assert (summary.sanitized, summary.refused) == (2, ["north/b1"])
    assert raw.run().refused == ["north/b1"]
    (raw.state / "raw/north/b1/.nfs0001").unlink()
    assert raw.run().refused == []
    assert raw.counts().difference == 0


def test_a_bridge_map_that_is_truncated_during_a_run_ends_it(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x": report(PLAIN)})
    raw.drop("north/b2", {"x": report(PLAIN)})
    with pytest.raises(BridgeMapRefused):
        raw.run(with_progress(lambda: os.truncate(raw.bridges, 10)))
    assert raw.places() == {"north/b1/x": ["staging"], "north/b2/x": ["raw"]}


def test_one_collectors_reports_do_not_use_up_the_run_of_another(raw: RawBatches) -> None:
    raw.drop("north/b1", {f"x{n}": report(PLAIN) for n in range(5)})
    raw.drop("south/b1", {"x": report(PLAIN)})
    summary = raw.run(lambda job: replace(job, limit=pipeline.Limit(reports=2)))
    assert (summary.sanitized, summary.left) == (2, True)
    assert raw.places()["south/b1/x"] == ["staging"]


@pytest.mark.parametrize("settings", [{"documents_max": 2}])
def test_a_report_of_too_many_documents_is_held(raw: RawBatches, settings: dict[str, int]) -> None:
    raw.drop("north/b1", {"x": report(PLAIN, PLAIN), "y": report(PLAIN)})
    raw.run(**settings)
    assert raw.places() == {"north/b1/x": ["quarantine/too_long"], "north/b1/y": ["staging"]}


def test_a_report_that_takes_too_much_time_is_held() -> None:
    rules = Rules(ReportSecrets(BridgeMap(()), Secrets(), "hold"))
    reading = Reading(10**6, DocumentLimits(), seconds_max=0.0)
    source = io.BytesIO(report(PLAIN, PLAIN))
    verdict = sanitize_report(source, io.BytesIO(), "c/b/x", rules, KnownTests({"tcp_connect": []}), reading)
    assert (verdict.outcome, verdict.reason) == ("quarantined", "too_long")


def test_a_secret_name_is_emitted_nowhere_when_its_report_is_sent_back(raw: RawBatches) -> None:
    raw.drop("north/b1", {"x-1.2.3.4": report(PLAIN), "5.6.7.8": report("{probe_ip: 5.6.7.8}")})
    raw.run()
    emitted: list[object] = []
    redrive(raw.folders, find(raw.folders, "secret_in_name"), emitted.append)
    assert len(emitted) == 2
    assert not any(secret in f"{emitted} {raw.events} {raw.settled}" for secret in ("1.2.3.4", "5.6.7.8"))


def test_comment_lines_with_odd_ends_are_cut_in_proportion_to_their_number(tmp_path: Path) -> None:
    content = b"# c\r\n" * 5000 + b"x: 1\r\n---\r\na: 1\r\n...\r\n"
    (tmp_path / "x").write_bytes(content)
    with (tmp_path / "x").open("rb") as file:
        assert [piece.kind for piece in slices(file, 10**6)] == ["unframed", "document"]


def test_loose_files_given_to_run_are_an_error_that_says_what_is_wanted(
    raw: RawBatches, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose/x.yaml").write_bytes(report(PLAIN))
    options = ["--input", f"{tmp_path / 'loose'}", "--state", f"{tmp_path / 'other'}", "--bridges", f"{raw.bridges}"]
    assert program.main(["run", *options]) != 0
    assert ".manifest" in capsys.readouterr().err
