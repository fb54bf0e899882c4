"""What was published with a rule that was wrong can be found and taken back: a list, one, or all of a rules version."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from include.measurements.errors import RestoreRefused
from include.measurements.publish import mirror
from include.measurements.restore import request as requests
from include.measurements.restore.request import RestoreRequest, carry_out
from include.measurements.restore.restorer import Restorer
from tests.fakes.memory_measurements import MemoryMeasurements
from tests.support.killed_child import run_until_killed
from tests.support.measurement_state import MeasurementState

OLD, NEW = 1, 2
REPORTS = [f"north/b1/r{number}" for number in range(5)]


class World:
    """Published reports, all made by the old rules but the last one; the sanitizer of now redacts `leak`."""

    def __init__(self, state: MeasurementState) -> None:
        self.state, self.store = state, MemoryMeasurements()
        self.archive = state.folders.root / "archive"
        for report in REPORTS:
            rules = NEW if report == REPORTS[-1] else OLD
            state.stage_report(report, {"input": "leak"}, sanitizer={"rules": rules})
            packed = self.archive / f"{report}.gz"
            packed.parent.mkdir(parents=True, exist_ok=True)
            packed.write_bytes(gzip.compress(state.folders.path("staging", report).read_bytes()))
        self.go_on()
        self.runs: list[int] = []
        self.bad: set[str] = set()

    def sanitize(self, raw: Path, state: Path) -> str:
        originals = [path for path in sorted(raw.rglob("*")) if path.is_file() and path.suffix != ".manifest"]
        self.runs.append(len(originals))
        for original in originals:
            report = original.relative_to(raw).as_posix()
            if report not in self.bad:
                target = state / "staging" / report
                target.parent.mkdir(parents=True, exist_ok=True)
                text = original.read_text().replace("leak", "redacted")
                target.write_text(text.replace(f"rules: {OLD}", f"rules: {NEW}"))
        return "done"

    def restorer(self) -> Restorer:
        state = self.state
        return Restorer(
            state.folders, self.archive, self.store, self.sanitize,
            lambda: mirror.publish_locked(state.folders, state.ledger, state.emit, "Mirror"), state.emit,
        )  # fmt: skip

    def ask(self, made_by: str = "now", **request: object) -> dict[str, object]:
        return carry_out(RestoreRequest(**request), self.restorer(), made_by)  # type: ignore[arg-type]

    def go_on(self) -> None:
        self.state.postprocess()
        self.state.import_reports(self.store)
        self.state.publish()

    def inputs(self) -> list[object]:
        return [row["input"] for row in self.store.measurements.values()]


@pytest.fixture
def world(state: MeasurementState) -> World:
    return World(state)


def test_a_dry_run_without_a_path_lists_what_can_be_restored(world: World) -> None:
    answer = world.ask()
    assert (answer["done"], answer["restorable"], answer["unfinished"]) == (False, 5, [])
    assert answer["first"] == [f"{report}.gz" for report in REPORTS]
    assert world.inputs() == ["leak"] * 5


def test_to_act_something_must_be_named_and_only_one_thing(world: World) -> None:
    with pytest.raises(RestoreRefused, match="nothing to restore"):
        world.ask(dry_run=False)
    with pytest.raises(RestoreRefused, match="either one"):
        world.ask(archived="x.gz", rules_version=1)


def test_one_is_planned_and_then_restored(world: World) -> None:
    assert world.ask(archived=f"{REPORTS[0]}.gz")["state"] == "imported"
    assert world.ask(archived=f"{REPORTS[0]}.gz", dry_run=False)["done"] is True
    world.go_on()
    assert sorted(map(str, world.inputs())) == ["leak"] * 4 + ["redacted"]


def test_a_dry_run_over_a_version_says_how_many_it_made_and_changes_nothing(world: World) -> None:
    answer = world.ask(rules_version=OLD)
    assert (answer["done"], answer["reports"]) == (False, 4)
    assert world.ask(rules_version=NEW)["reports"] == 1
    assert world.ask(rules_version=3)["reports"] == 0
    assert (world.runs, world.inputs()) == ([], ["leak"] * 5)


def test_all_of_a_version_are_restored_and_no_other(world: World) -> None:
    answer = world.ask(rules_version=OLD, dry_run=False)
    assert (answer["reports"], answer["sanitized"]) == (4, 4)
    assert world.inputs() == ["leak"]
    world.go_on()
    assert world.inputs() == ["leak", *["redacted"] * 4]
    assert world.state.states() == {report: ["imported"] for report in REPORTS}
    assert world.ask(rules_version=OLD)["reports"] == 0


def test_a_bad_report_of_a_version_does_not_stop_the_others_and_is_named(world: World) -> None:
    world.bad = {REPORTS[1]}
    with pytest.raises(RestoreRefused, match=rf"1 measurement reports were not restored: {REPORTS[1]}.gz"):
        world.ask(rules_version=OLD, dry_run=False)
    world.go_on()
    assert sorted(map(str, world.inputs())) == ["leak"] * 2 + ["redacted"] * 3
    assert world.state.states() == {report: ["imported"] for report in REPORTS}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda world: (world.archive / f"{REPORTS[1]}.gz").unlink(),
        lambda world: (world.archive / f"{REPORTS[1]}.gz").write_bytes(b"no gzip"),
        lambda world: world.state.folders.path("imported", REPORTS[1]).write_text("--- [1]\n"),
    ],
    ids=["without an original", "with a damaged original", "with an unreadable header"],
)
def test_a_report_that_cannot_be_restored_does_not_stop_the_others(
    world: World, spoil: Callable[[World], object]
) -> None:
    spoil(world)
    with pytest.raises(RestoreRefused, match=REPORTS[1]):
        world.ask(rules_version=OLD, dry_run=False)
    world.go_on()
    assert sorted(map(str, world.inputs())) == ["leak"] * 2 + ["redacted"] * 3


def test_reports_held_by_a_later_stage_are_restored_too(world: World) -> None:
    folders = world.state.folders
    why = {"reason": "too_deep", "from": "reports"}
    folders.hold(folders.path("imported", REPORTS[0]), "errored", REPORTS[0], why)
    assert world.ask(rules_version=OLD, dry_run=False)["reports"] == 4
    assert folders.held() == []


@pytest.mark.parametrize("step", ["sanitized", "taken_out", "unpublished", "deleted", "staged"])
@pytest.mark.parametrize("at_pass", [1, 2])
def test_a_killed_run_goes_on_where_it_stopped(
    world: World, step: str, at_pass: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "CHUNK", 2)
    assert run_until_killed(
        lambda: world.ask(rules_version=OLD, dry_run=False), f"measurements.restore.{step}", at_pass
    )
    # The database of the child is gone with it: as if the server had done nothing of what it was asked.
    world.ask(rules_version=OLD, dry_run=False)
    world.go_on()
    assert sorted(map(str, world.inputs())) == ["leak"] + ["redacted"] * 4
    assert world.state.states() == {report: ["imported"] for report in REPORTS}
    assert list(world.state.folders.restoring.iterdir()) == []


def test_under_one_version_what_was_restored_is_not_done_again_until_all_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "CHUNK", 1)
    # The map was wrong, not the rules: what is made has the version of what it replaces.
    monkeypatch.setattr(requests, "_chunks", lambda paths: iter([[path] for path in paths]))
    restorer = world.restorer()
    calls: list[str] = []

    def dies_at_the_third(paths: list[str]) -> object:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.extend(paths)
        return restorer.restore_some(paths)

    class Dying:
        folders, originals, unfinished = restorer.folders, restorer.originals, restorer.unfinished
        restore_some = staticmethod(dies_at_the_third)

    with pytest.raises(KeyboardInterrupt):
        carry_out(RestoreRequest(rules_version=OLD, dry_run=False), Dying(), "one map")  # type: ignore[arg-type]
    for report in REPORTS[:2]:
        text = world.state.folders.path("staging", report).read_text()
        world.state.folders.path("staging", report).write_text(text.replace(f"rules: {NEW}", f"rules: {OLD}"))
    assert world.ask("one map", rules_version=OLD)["reports"] == 2
    assert world.ask("another map", rules_version=OLD)["reports"] == 4
