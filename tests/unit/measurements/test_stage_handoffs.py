"""What one stage put out and the next one never took is a difference, though the counts of both agree."""

from __future__ import annotations

from include.counts.stage_count import StageCount
from include.measurements import stage_handoffs
from tests.fakes.memory_measurements import MemoryMeasurements
from tests.support.measurement_state import MeasurementState


def handoffs(state: MeasurementState, sent: list[StageCount] | None = None) -> dict[str, int]:
    return {row.stage: row.difference for row in stage_handoffs.counts(state.ledger, state.folders, sent or [])}


def test_measurement_reports_that_wait_or_went_on_are_no_difference(state: MeasurementState) -> None:
    state.stage_report("north/b1/a")
    state.stage_report("north/b1/b", "no mapping")
    state.postprocess()
    assert handoffs(state) == {}
    state.import_reports(MemoryMeasurements())
    assert handoffs(state) == {}
    state.publish()
    assert handoffs(state) == {}
    assert state.open_counts() == []


def test_a_measurement_report_that_vanished_between_two_stages_is_counted(state: MeasurementState) -> None:
    for name in ("a", "b", "c"):
        state.stage_report(f"north/b1/{name}")
    state.postprocess()
    state.folders.path("reports", "north/b1/b").unlink()
    state.import_reports(MemoryMeasurements())
    assert state.open_counts() == []
    assert handoffs(state) == {"postprocess to import": 1}


def test_one_that_was_put_back_since_is_a_difference_no_more(state: MeasurementState) -> None:
    state.stage_report("north/b1/a")
    state.postprocess()
    waiting = state.folders.path("reports", "north/b1/a")
    waiting.rename(waiting.with_name(".away"))
    sent = stage_handoffs.counts(state.ledger, state.folders, [])
    assert [row.difference for row in sent] == [1]
    waiting.with_name(".away").rename(waiting)
    assert handoffs(state, sent) == {"postprocess to import": 0}


def test_one_that_is_held_between_two_stages_is_no_difference(state: MeasurementState) -> None:
    state.stage_report("north/b1/a")
    state.postprocess()
    reason = {"reason": "by_hand"}
    state.folders.hold(state.folders.path("reports", "north/b1/a"), "quarantine", "north/b1/a", reason)
    assert handoffs(state) == {}
