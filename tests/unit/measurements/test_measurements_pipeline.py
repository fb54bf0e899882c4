from __future__ import annotations

import pytest

from include.measurements.errors import MongoUnavailable
from include.measurements.load import prepared_file
from include.measurements.load.stage import Limit
from include.measurements.state_folders import AnotherRun
from tests.fakes.memory_measurements import MemoryMeasurements
from tests.support.measurement_state import MeasurementState

REPORT = "north/b1/archive/r.yamloo"


def test_a_report_walks_from_staging_over_reports_to_imported(state: MeasurementState) -> None:
    state.stage_report(REPORT)
    store = MemoryMeasurements()
    assert state.postprocess().out == 1
    assert state.states() == {REPORT: ["reports"]}
    summary = state.import_reports(store)
    assert state.states() == {REPORT: ["imported"]}
    assert summary.sums == {"inserted": 2, "replaced": 0}
    assert [row["input"] for row in store.measurements.values()] == ["a", "b"]
    assert state.events == [("measurement_report.postprocessed", REPORT), ("measurement_report.imported", REPORT)]
    assert state.open_counts() == []
    assert {(c.stage, c.count_in, c.count_out) for c in state.ledger.counts()} == {
        ("postprocess", 1, 1),
        ("import", 1, 1),
    }


def test_documents_are_counted_by_number_and_once_however_often_their_report_is_imported(
    state: MeasurementState,
) -> None:
    state.stage_report(REPORT)
    state.stage_report("north/b1/other", {"input": "c"})
    state.postprocess()
    store = MemoryMeasurements()
    for _ in range(2):
        state.import_reports(store)
        for name in state.folders.reports("imported"):
            state.folders.move(name, "imported", "reports")
    [row] = state.numbers.counts()
    assert (row.feature, row.stage, row.count_in, row.count_out, row.difference) == (
        "measurements", "import documents", 3, 3, 0,
    )  # fmt: skip


def test_documents_of_a_report_that_the_database_refuses_are_counted_as_errored(state: MeasurementState) -> None:
    class Choosy(MemoryMeasurements):
        def put(self, about, entries, report_file):  # type: ignore[no-untyped-def]
            raise OverflowError("BSON can only handle up to 8-byte ints")

    state.stage_report(REPORT)
    state.postprocess()
    state.import_reports(Choosy())
    [row] = state.numbers.counts()
    assert (row.count_in, row.count_out, row.errored) == (2, 0, 2)


def test_a_document_that_does_not_arrive_in_the_database_is_a_difference(state: MeasurementState) -> None:
    class Losing(MemoryMeasurements):
        def put(self, about, entries, report_file):  # type: ignore[no-untyped-def]
            return super().put(about, list(entries)[1:], report_file)

    state.stage_report(REPORT)
    state.postprocess()
    state.import_reports(Losing())
    assert state.open_counts() == [("import documents", 1)]


def test_the_file_itself_is_not_changed_by_any_stage(state: MeasurementState) -> None:
    state.stage_report(REPORT, {"requests": [{"response": {"body": "kept"}}]})
    before = state.folders.path("staging", REPORT).read_bytes()
    state.postprocess()
    store = MemoryMeasurements()
    state.import_reports(store)
    assert state.folders.path("imported", REPORT).read_bytes() == before
    [row] = store.measurements.values()
    assert row["requests"] == [{"response": {}}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_header"),
        ("--- {a: 1}\n", "no_header"),
        ("--- {test_name: x}\n--- [1]\n", "unparsable"),
        ("--- {test_name: x}\n--- {a: [}\n", "unparsable"),
        ("--- {test_name: x}\n--- {a: !!python/object/apply:os.system [true]}\n", "unparsable"),
        ("--- {test_name: x}\n--- {a: 2001-99-99}\n", "unparsable"),
        ("--- {test_name: x}\n--- &a {a: *a}\n", "too_deep"),
        ("--- {test_name: x}\n--- {a: " + "[" * 200 + "]" * 200 + "}\n", "too_deep"),
    ],
)
def test_a_report_that_cannot_be_imported_is_held_with_its_reason_and_the_others_go_on(
    state: MeasurementState, text: str, reason: str
) -> None:
    state.stage_report("north/b1/good")
    state.stage_report("north/b1/zbad")
    state.folders.path("staging", "north/b1/zbad").write_text(text)
    summary = state.postprocess()
    assert (summary.out, summary.errored) == (1, 1)
    assert state.states() == {"north/b1/good": ["reports"], "north/b1/zbad": ["errored"]}
    told = state.folders.reasons.read(state.folders.held_path("errored", reason, "north/b1/zbad"))
    assert (told["reason"], told["from"]) == (reason, "staging")
    assert ("measurement_report.errored", "north/b1/zbad") in state.events
    assert state.open_counts() == []


def test_an_outage_of_the_database_leaves_the_report_for_the_next_try(state: MeasurementState) -> None:
    for name in ("a", "b"):
        state.stage_report(name)
    state.postprocess()
    store = MemoryMeasurements()
    store.failures = [MongoUnavailable("down")]
    with pytest.raises(MongoUnavailable):
        state.import_reports(store)
    assert state.states() == {"a": ["reports"], "b": ["reports"]}
    assert state.import_reports(store).out == 2
    assert state.open_counts() == []


def test_a_run_ends_at_its_limits_and_says_what_is_left(state: MeasurementState) -> None:
    for number in range(5):
        state.stage_report(f"r{number}")
    assert state.postprocess(Limit(reports=2)).left == 3
    assert state.postprocess(Limit(deadline_s=-1)).left == 3
    assert state.postprocess().out == 3


def test_a_report_whose_place_is_taken_is_held_and_overwrites_nothing(state: MeasurementState) -> None:
    state.stage_report("r", {"input": "old"}, state="reports")
    state.stage_report("r", {"input": "new"})
    assert state.postprocess().errored == 1
    assert "old" in state.folders.path("reports", "r").read_text()
    assert (state.folders.errored / "collision" / "r").exists()


def test_what_was_prepared_is_made_anew_when_it_is_lost_damaged_or_of_another_file(state: MeasurementState) -> None:
    for number, name in enumerate(("lost", "damaged", "cut", "other")):
        state.stage_report(name, {"input": number})
    state.postprocess()
    state.folders.prepared_path("lost").unlink()
    state.folders.prepared_path("damaged").write_bytes(b"\0" * 100)
    cut = state.folders.prepared_path("cut")
    cut.write_bytes(cut.read_bytes()[:-3])
    state.stage_report("other", {"input": "rewritten"}, state="reports")
    store = MemoryMeasurements()
    assert state.import_reports(store).out == 4
    assert {row["input"] for row in store.measurements.values()} == {0, 1, 2, "rewritten"}
    assert list(state.folders.prepared.rglob("*.bson")) == []


def test_two_runs_on_the_same_folders_do_not_overlap(state: MeasurementState) -> None:
    with state.folders.alone("measurements"), pytest.raises(AnotherRun):
        state.postprocess()


def test_hidden_files_and_links_are_no_reports(state: MeasurementState) -> None:
    state.stage_report("r")
    state.stage_report(".r.new")
    (state.folders.root / "staging" / "link").symlink_to("/etc/passwd")
    assert state.postprocess().out == 1


def test_an_item_that_vanished_keeps_the_counts_open_and_is_named(
    state: MeasurementState, caplog: pytest.LogCaptureFixture
) -> None:
    state.ledger.take("measurements", "postprocess", ["gone"])
    state.postprocess()
    assert state.open_counts() == [("postprocess", 1)]
    assert "gone is in none of its folders" in caplog.text


def test_two_files_with_the_same_entries_prepare_to_the_same_content(state: MeasurementState) -> None:
    made = []
    for name in ("a", "b"):
        state.stage_report(name, {"input": {"y", "x"}})
        made.append(prepared_file.make(state.folders.path("staging", name), state.folders.prepared_path(name)))
    assert made[0].content_sha256 == made[1].content_sha256
    assert made[0].source_sha256 != made[1].source_sha256
