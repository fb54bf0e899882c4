"""A process that dies or stalls costs the document it had in hand; what it answers is checked."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from include.measurements.sanitize import child, config, reader
from include.measurements.sanitize.errors import MachineFault
from include.measurements.sanitize.reader import ChildRefused, Reader, checked_verdict
from include.measurements.sanitize.slicing import slices
from tests.support.raw_batches import RawBatches, report

PROBE = Path(__file__).parents[3] / "support" / "sandbox_probe"


@pytest.fixture
def dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    with reader_of("dying_child", tmp_path, monkeypatch) as dying_reader:
        yield dying_reader


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    with reader_of("hostile_child", tmp_path, monkeypatch) as hostile_reader:
        yield hostile_reader


def reader_of(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setattr(reader, "FUNCTION", f"probe.{program}:main")
    monkeypatch.setattr(reader, "PACKAGES", {"probe": PROBE})
    raw = RawBatches(tmp_path / "state")
    (tmp_path / "work").mkdir()
    return Reader(raw.state / "raw", tmp_path / "work", raw.bridges, replace(config.load(), document_s=1))


def test_documents_that_kill_or_stall_the_parser_are_left_out_and_the_rest_is_taken(dying: Reader) -> None:
    verdict = dying.sanitize("x", "0.out", "c/b/x")
    assert (verdict.outcome, verdict.documents, verdict.bad) == ("sanitized", 5, 2)
    assert {bad.document: bad.error for bad in verdict.bad_documents} == {2: "crashed", 5: "time"}


def test_a_report_that_kills_every_process_is_held(dying: Reader) -> None:
    verdict = dying.sanitize("always", "0.out", "c/b/x")
    assert (verdict.outcome, verdict.reason) == ("quarantined", "hostile")


def test_an_answer_that_is_no_verdict_is_refused(dying: Reader) -> None:
    with pytest.raises(ChildRefused):
        dying.sanitize("liar", "0.out", "c/b/x")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nothing"])
def test_what_the_sandbox_made_instead_of_a_file_is_not_taken(hostile: Reader, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("ours")
    with pytest.raises((ChildRefused, OSError)):
        hostile.sanitize(kind, "0.out", str(outside))
    assert outside.read_text() == "ours"
    assert not (hostile.work / "0.out").exists()


def test_links_that_the_sandbox_leaves_beside_its_file_lead_nowhere(hostile: Reader, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("ours")
    assert hostile.sanitize("links beside", "0.out", str(outside)).outcome == "sanitized"
    assert (hostile.work / "0.out").read_text() == "made\n"
    assert outside.read_text() == "ours"
    assert [entry.name for entry in hostile.work.iterdir() if entry.is_symlink()] == []


@pytest.mark.parametrize("fault", ["no space", "too many files", "no memory", "failing disk"])
def test_a_fault_of_the_machine_inside_the_sandbox_costs_no_document(hostile: Reader, fault: str) -> None:
    with pytest.raises(MachineFault):
        hostile.sanitize(fault, "0.out", "c/b/x")


def test_documents_that_need_no_parser_are_signs_of_life(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(child, "_PROGRESS_S", -1.0)
    content = report(*(f"{{n: {number}}}" for number in range(1000)))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x").write_bytes(content)
    with (tmp_path / "in/x").open("rb", buffering=0) as file:
        pieces = list(slices(child._Watched(file), 10**6))
    assert len(pieces) == 1001
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said
    assert all(answer == {"reading": True} for answer in said)
    at = reader._Progress(until=0.0)
    at.note(said[0], document_s=1.0)
    assert at.until > 0.0


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"unknown": 1},
        {"outcome": "published"},
        {"outcome": "quarantined"},
        {"outcome": "quarantined", "reason": "../x"},
        {"outcome": "sanitized", "reason": "x"},
        {"documents": -1},
        {"documents": "1"},
        {"test": "1.2.3.4"},
        {"touched": {"secret of 1.2.3.4": 1}},
        {"bad_documents": [{"document": 1}]},
        {"bad_documents": [{"document": 1, "offset": 0, "size": 0, "sha1": "x", "error": "syntax"}]},
    ],
)
def test_only_a_whole_verdict_in_known_words_is_believed(answer: object) -> None:
    with pytest.raises(ChildRefused):
        checked_verdict(answer)
