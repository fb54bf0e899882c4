"""SIGKILL between every two steps, ten times each: every report in exactly one state then, and all counted after."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from include.measurements.sanitize import redrive as redriving
from include.measurements.sanitize.settle import FEATURE, STEPS
from spool import failpoints
from tests.support.killed_child import run_until_killed
from tests.support.raw_batches import RawBatches, report

pytestmark = pytest.mark.crash

MAPPED = "{connection: success, input: '1.2.3.4:8980'}"
BATCHES = 2
# Of each batch four reports are sanitized, one is quarantined, one is errored.
FILES = {
    "a.yaml": report(MAPPED, "{n: 1}"),
    "b/c.yaml": report(MAPPED),
    "d.yaml": report(MAPPED, test="no_such_test"),
    "e.yaml": b"",
    "f.yaml": report("{n: 2}", "a: ["),
    "g.yaml": report("{n: 3}")[:-4],
}
EXPECTED = dict.fromkeys(FILES, "staging") | {"d.yaml": "quarantine/unknown_test", "e.yaml": "errored/empty"}
REPORTS = {f"north/b{number}/{name}" for number in range(BATCHES) for name in FILES}

PER_REPORT = [f"sanitize.report.{step}" for step in STEPS]
PER_BATCH = ["sanitize.batch.begun", "sanitize.batch.taken", "sanitize.batch.emptied", "sanitize.batch.finished"]
PER_ORIGINAL = ["sanitize.archive.packed"]


def dropped(state: Path) -> RawBatches:
    raw = RawBatches(state)
    for number in range(BATCHES):
        raw.drop(f"north/b{number}", FILES)
    return raw


def check_one_state_each(raw: RawBatches) -> None:
    places = raw.places()
    assert set(places) == REPORTS
    assert {name: states for name, states in places.items() if len(states) != 1} == {}


def check_finished(raw: RawBatches) -> None:
    check_one_state_each(raw)
    for name, [state] in raw.places().items():
        assert state == EXPECTED[name.split("/", 2)[2]]
    count = raw.counts()
    assert (count.count_in, count.count_out, count.quarantined, count.errored) == (12, 8, 2, 2)
    archived = {p.relative_to(raw.state / "archive").as_posix(): p for p in (raw.state / "archive").rglob("*.gz")}
    assert set(archived) == {f"{name}.gz" for name in REPORTS if not name.endswith(("d.yaml", "e.yaml"))}
    for name, place in archived.items():
        assert gzip.decompress(place.read_bytes()) == FILES[name.removesuffix(".gz").split("/", 2)[2]]
    assert [p for p in (raw.state / "archive").rglob("*") if p.is_file() and p.suffix != ".gz"] == []
    assert list((raw.state / "sanitizing").rglob("*")) == []
    assert raw.leaked("staging") == []


def test_every_failpoint_of_the_sanitizer_is_killed_at() -> None:
    assert FEATURE == "sanitize"
    declared = {name for name in failpoints.NAMES if name.startswith("sanitize.")}
    assert declared == {*PER_REPORT, *PER_BATCH, *PER_ORIGINAL, "sanitize.redrive.moved", "sanitize.redrive.emitted"}


PASSES = {
    **dict.fromkeys(PER_REPORT, range(1, 11)),
    **dict.fromkeys(PER_ORIGINAL, (*range(1, 9), 1, 8)),
    **dict.fromkeys(PER_BATCH, (1, 2) * 5),
}


@pytest.mark.parametrize("name", PASSES)
def test_a_kill_at_any_step_loses_and_doubles_nothing(tmp_path: Path, name: str) -> None:
    for number, at_pass in enumerate(PASSES[name]):
        raw = dropped(tmp_path / f"state{number}")
        assert run_until_killed(raw.run, name, at_pass), f"{name} was not passed {at_pass} times"
        check_one_state_each(raw)
        raw.run()
        check_finished(raw)
    again = raw.run()
    assert (again.sanitized, again.quarantined, again.errored) == (0, 0, 0)


@pytest.mark.parametrize("name", PER_REPORT)
def test_ten_kills_in_a_row_lose_and_double_nothing(tmp_path: Path, name: str) -> None:
    """Each run goes on where the last one died."""
    raw = dropped(tmp_path / "state")
    kills = 0
    while kills < 10 and run_until_killed(raw.run, name):
        kills += 1
        check_one_state_each(raw)
    assert kills == 10
    raw.run()
    check_finished(raw)


@pytest.mark.parametrize("error", ["enospc", "eio"])
@pytest.mark.parametrize("name", ["sanitize.archive.packed", "sanitize.report.read", "sanitize.report.noted"])
def test_a_full_or_failing_disk_leaves_every_report_where_it_was_or_next(
    tmp_path: Path, name: str, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = dropped(tmp_path / "state")
    failpoints.arm(f"{name}={error}@3")
    try:
        with pytest.raises(OSError, match=r"No space|Input/output"):
            raw.run()
    finally:
        failpoints.arm("")
    check_one_state_each(raw)
    raw.run()
    check_finished(raw)


@pytest.mark.parametrize("name", ["sanitize.redrive.moved", "sanitize.redrive.emitted"])
def test_a_kill_while_reports_are_sent_back_loses_none(tmp_path: Path, name: str) -> None:
    raw = dropped(tmp_path / "state")
    raw.run()

    def send() -> None:
        redriving.redrive(raw.folders, redriving.find(raw.folders, "unknown_test"), lambda *event: None)

    assert run_until_killed(send, name, 2)
    send()
    raw.run()
    places = raw.places()
    assert sum(name.endswith("d.yaml") for name in places) == BATCHES
    assert {name: states for name, states in places.items() if len(states) != 1} == {}
    assert sorted(p.name for p in (raw.state / "raw").rglob("*")) == ["north"]
