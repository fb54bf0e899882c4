"""A process that dies or stalls costs the document it had in hand; what it answers is checked."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from include.measurements.sanitize import config, reader
from include.measurements.sanitize.reader import ChildRefused, Reader, checked_verdict
from tests.support.raw_batches import RawBatches

PROBE = Path(__file__).parents[3] / "support" / "sandbox_probe"


@pytest.fixture
def dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.setattr(reader, "FUNCTION", "probe.dying_child:main")
    monkeypatch.setattr(reader, "PACKAGES", {"probe": PROBE})
    raw = RawBatches(tmp_path / "state")
    (tmp_path / "work").mkdir()
    settings = replace(config.load(), document_s=1)
    with Reader(raw.state / "raw", tmp_path / "work", raw.bridges, settings) as one:
        yield one


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
