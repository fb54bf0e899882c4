"""One archived report sanitized again, replacing what it produced."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from include.measurements import batch_manifest
from include.measurements.errors import RestoreRefused
from include.measurements.publish import mirror
from include.measurements.restore.restorer import Restorer
from include.measurements.state_folders import StateFolders
from spool import failpoints
from tests.fakes.memory_measurements import MemoryMeasurements
from tests.support.killed_child import run_until_killed
from tests.support.measurement_state import MeasurementState

REPORT = "north/b1/archive/r.yamloo"
ARCHIVED = REPORT + ".gz"
RESTORE = [name for name in failpoints.NAMES if name.startswith("measurements.restore.")]


class Restoring:
    """A report that went through all stages and is in the archive, and a sanitizer that redacts `leak`."""

    def __init__(self, state: MeasurementState) -> None:
        self.state, self.store = state, MemoryMeasurements()
        self.archive = state.folders.root / "archive"
        state.stage_report(REPORT, {"input": "leak"}, {"input": "b"})
        packed = self.archive / ARCHIVED
        packed.parent.mkdir(parents=True)
        packed.write_bytes(gzip.compress(state.folders.path("staging", REPORT).read_bytes()))
        self.go_on()
        self.results: Callable[[Path, Path], str] = self.sanitize

    def sanitize(self, raw: Path, state: Path) -> str:
        [text] = raw.rglob("*.manifest")
        batch = text.with_suffix("")
        assert not batch_manifest.compare(batch, batch_manifest.parse(text.read_text()))
        target = state / "staging" / REPORT
        target.parent.mkdir(parents=True)
        target.write_text((raw / REPORT).read_text().replace("leak", "redacted"))
        return "sanitized"

    def restorer(self) -> Restorer:
        state = self.state
        return Restorer(
            state.folders, self.archive, self.store, lambda raw, to: self.results(raw, to),
            lambda: mirror.publish_locked(state.folders, state.ledger, state.emit, "Mirror"), state.emit,
        )  # fmt: skip

    def go_on(self) -> None:
        self.state.postprocess()
        self.state.import_reports(self.store)
        self.state.publish()

    def public(self) -> bytes:
        return b"".join(gzip.decompress(p.read_bytes()) for p in self.state.folders.public.rglob("*.gz"))

    def inputs(self) -> list[object]:
        return [row["input"] for row in self.store.measurements.values()]


@pytest.fixture
def restoring(state: MeasurementState) -> Restoring:
    return Restoring(state)


def test_the_plan_says_what_will_be_replaced_and_changes_nothing(restoring: Restoring) -> None:
    plan = restoring.restorer().plan(ARCHIVED)
    assert (plan.report, plan.state, plan.public) == (REPORT, "imported", (f"reports/IT/{REPORT}.gz",))
    assert list(plan.report_ids) == list(restoring.store.reports)
    assert restoring.inputs() == ["leak", "b"]


def test_a_restored_report_replaces_file_rows_and_public_copy_without_doubles(restoring: Restoring) -> None:
    restoring.restorer().restore(ARCHIVED)
    assert b"leak" not in restoring.public()
    assert restoring.inputs() == []
    assert restoring.state.states() == {REPORT: ["staging"]}
    restoring.go_on()
    assert restoring.state.states() == {REPORT: ["imported"]}
    assert restoring.inputs() == ["redacted", "b"]
    assert b"redacted" in restoring.public()
    assert len(mirror.read_index(restoring.state.folders.public)) == 1
    assert restoring.state.open_counts() == []
    assert list(restoring.state.folders.restoring.glob("*")) == []
    assert ("measurement_report.restored", REPORT) in restoring.state.events


def test_restoring_twice_gives_the_same(restoring: Restoring) -> None:
    for _ in range(2):
        restoring.restorer().restore(ARCHIVED)
        restoring.go_on()
    assert restoring.inputs() == ["redacted", "b"]
    assert len(restoring.store.reports) == 1


def test_when_the_sanitizer_gives_no_report_nothing_is_changed(restoring: Restoring) -> None:
    restoring.results = lambda raw, state: "quarantined"
    with pytest.raises(RestoreRefused, match=r"made 0 reports of .*: quarantined"):
        restoring.restorer().restore(ARCHIVED)
    assert restoring.inputs() == ["leak", "b"]
    assert restoring.state.states() == {REPORT: ["imported"]}
    assert b"leak" in restoring.public()


@pytest.mark.parametrize(
    "archived", ["none.gz", "../secret.gz", "/etc/passwd", "north/b1/archive/r.yamloo", "", "link.gz", "top.gz"]
)
def test_what_is_no_archived_report_is_refused(restoring: Restoring, archived: str) -> None:
    (restoring.archive / "link.gz").symlink_to("/etc/passwd")
    (restoring.archive / "top.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(RestoreRefused):
        restoring.restorer().restore(archived)
    assert restoring.state.states() == {REPORT: ["imported"]}


def second_original(restoring: Restoring) -> str:
    """Packed as the sanitizer packs a second original of the same path."""
    packed = restoring.archive / ARCHIVED
    packed.with_name(packed.name.replace(".gz", ".1.gz")).write_bytes(packed.read_bytes())
    return ARCHIVED.replace(".gz", ".1.gz")


def test_a_second_original_of_the_same_path_is_of_the_same_report(restoring: Restoring) -> None:
    assert restoring.restorer().plan(second_original(restoring)).report == REPORT
    lonely = (restoring.archive / ARCHIVED).with_name("lonely.2.gz")
    lonely.write_bytes(gzip.compress(b"x"))
    assert restoring.restorer().plan("north/b1/archive/lonely.2.gz").report == "north/b1/archive/lonely.2"


def test_what_was_noted_at_archiving_decides_whose_an_original_is_and_not_its_name(restoring: Restoring) -> None:
    # Two measurement reports of one batch: `r.yamloo`, and `r.yamloo.1`, whose original has the name of a second one.
    numbered = second_original(restoring)
    originals = restoring.state.folders.originals
    originals.note(restoring.archive / ARCHIVED, REPORT, "0" * 64)
    originals.note(restoring.archive / numbered, f"{REPORT}.1", "0" * 64)
    assert restoring.restorer().plan(ARCHIVED).report == REPORT
    assert restoring.restorer().plan(numbered).report == f"{REPORT}.1"
    assert restoring.restorer().originals.latest_of(REPORT) == ARCHIVED


def test_without_a_note_an_original_that_may_be_of_two_reports_is_refused(restoring: Restoring) -> None:
    numbered = second_original(restoring)
    restoring.state.stage_report(f"{REPORT}.1", state="imported")
    with pytest.raises(RestoreRefused, match="may be of 2 reports"):
        restoring.restorer().restore(numbered)
    assert set(restoring.state.states()) == {REPORT, f"{REPORT}.1"}


@pytest.mark.parametrize("name", RESTORE)
def test_a_restore_that_died_is_done_afresh_with_the_rules_and_the_map_of_now(restoring: Restoring, name: str) -> None:
    assert run_until_killed(lambda: restoring.restorer().restore(ARCHIVED), name)

    def better(raw: Path, state: Path) -> str:
        target = state / "staging" / REPORT
        target.parent.mkdir(parents=True)
        target.write_text((raw / REPORT).read_text().replace("leak", "better"))
        return "sanitized"

    restoring.results = better
    assert restoring.restorer().unfinished() == [ARCHIVED]
    restoring.restorer().restore(ARCHIVED)
    assert restoring.state.states() == {REPORT: ["staging"]}
    restoring.go_on()
    assert restoring.inputs() == ["better", "b"]
    assert b"better" in restoring.public()
    assert restoring.restorer().unfinished() == []


def test_a_report_in_errored_is_taken_out_when_it_is_restored(restoring: Restoring) -> None:
    folders = restoring.state.folders
    folders.hold(folders.path("imported", REPORT), "errored", REPORT, {"reason": "too_deep", "from": "reports"})
    plan = restoring.restorer().restore(ARCHIVED)
    assert plan.state == "errored/too_deep"
    assert restoring.state.states() == {REPORT: ["staging"]}
    assert not list((folders.root / "reasons").rglob("*.json"))


def test_another_original_that_waits_for_a_person_under_the_same_path_stays(restoring: Restoring) -> None:
    folders = restoring.state.folders
    (folders.root / "raw" / "other").write_text("another original, not archived")
    held = folders.hold(folders.root / "raw" / "other", "errored", REPORT, {"reason": "collision", "from": "raw"})
    restoring.restorer().restore(ARCHIVED)
    assert held.read_text() == "another original, not archived"


def holding(restoring: Restoring, reason: str = "unmapped_bridge") -> Callable[[Path, Path], str]:
    def hold(raw: Path, state: Path) -> str:
        why = {"reason": reason, "from": "raw"}
        StateFolders(state).hold(raw / REPORT, "quarantine", REPORT, why)
        return "quarantined"

    return hold


def test_what_todays_rules_hold_is_taken_back_from_mirror_and_database(restoring: Restoring) -> None:
    restoring.results = holding(restoring)
    restoring.restorer().restore(ARCHIVED)
    assert restoring.inputs() == []
    assert b"leak" not in restoring.public()
    folders = restoring.state.folders
    [held] = folders.held()
    assert held == folders.held_path("quarantine", "unmapped_bridge", REPORT)
    assert folders.reasons.read(held)["from"] == "raw"
    restoring.results = restoring.sanitize
    restoring.restorer().restore(ARCHIVED)
    assert folders.held() == []
    assert restoring.state.states() == {REPORT: ["staging"]}


def test_originals_that_are_being_restored_are_for_the_owner_only(restoring: Restoring) -> None:
    assert restoring.state.folders.restoring.stat().st_mode & 0o077 == 0


def test_a_damaged_archive_file_is_refused(restoring: Restoring) -> None:
    packed = restoring.archive / ARCHIVED
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(RestoreRefused, match="is damaged"):
        restoring.restorer().restore(ARCHIVED)
    assert restoring.inputs() == ["leak", "b"]


@pytest.mark.parametrize("state_name", ["staging", "reports"])
def test_a_report_on_its_way_is_replaced_where_it_is(restoring: Restoring, state_name: str) -> None:
    imported = restoring.state.folders.path("imported", REPORT)
    imported.rename(restoring.state.folders.path(state_name, REPORT))  # type: ignore[arg-type]
    restoring.restorer().restore(ARCHIVED)
    assert restoring.state.states() == {REPORT: ["staging"]}
    assert "redacted" in restoring.state.folders.path("staging", REPORT).read_text()
