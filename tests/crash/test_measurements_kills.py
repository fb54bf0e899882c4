"""
SIGKILL between every two steps of every stage, ten times each; then one more run, and everything is counted.

The database is a real server: what a killed process had written there, the next one finds.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from include.clients import mongo
from include.measurements.load import mongo_store
from include.measurements.load.mongo_store import MeasurementStore
from include.measurements.publish import mirror
from include.measurements.restore.restorer import Restorer
from spool import failpoints
from tests.support.killed_child import run_until_killed
from tests.support.measurement_state import MeasurementState
from tests.support.secantus import secantus

pytestmark = [pytest.mark.crash, pytest.mark.stack]

KILLS = 10
REPORTS = [f"north/b1/r{number:02}" for number in range(12)]
BAD = "north/b1/zbad"

STAGES = [name for name in failpoints.NAMES if name.startswith(("measurements.postprocess.", "measurements.import."))]
WRITES = ["measurements.report_begun", "measurements.bulk_written", "measurements.report_finished"]
PUBLISH = [name for name in failpoints.NAMES if name.startswith("measurements.publish.")]
RESTORE = [name for name in failpoints.NAMES if name.startswith("measurements.restore.")]


@pytest.fixture(scope="module")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with secantus(tmp_path_factory.mktemp("mongo")) as uri:
        yield uri


@pytest.fixture
def uri(mongo_uri: str) -> str:
    with closing(mongo.database(mongo_uri).client) as client:
        client.drop_database("measurements")
    return mongo_uri


def filled(root: Path) -> None:
    state = MeasurementState(root)
    for report in REPORTS:
        state.stage_report(report, *({"input": f"{report} {n}"} for n in range(3)))
    state.stage_report(BAD)
    state.folders.path("staging", BAD).write_text("--- [1]\n")
    state.ledger.close()


def go_on(root: Path, uri: str) -> None:
    """All stages, as a new process would do them: no connection is inherited."""
    state = MeasurementState(root)
    with closing(mongo.database(uri).client) as client:
        state.postprocess()
        state.import_reports(MeasurementStore(client["measurements"]))
        state.publish()
    state.ledger.close()


def assert_all_is_there_once(root: Path, uri: str) -> None:
    state = MeasurementState(root)
    assert state.states() == {**{report: ["imported"] for report in REPORTS}, BAD: ["errored"]}
    assert state.open_counts() == []
    sums = {c.stage: (c.count_in, c.count_out, c.errored) for c in state.ledger.counts()}
    assert sums == {"postprocess": (13, 12, 1), "import": (12, 12, 0), "publish": (12, 12, 0)}
    state.ledger.close()
    with closing(mongo.database(uri).client) as client:
        database = client["measurements"]
        assert database["reports"].count_documents({"spillway.complete": True}) == len(REPORTS)
        inputs = [row["input"] for row in database["measurements"].find()]
    assert sorted(inputs) == sorted(f"{report} {n}" for report in REPORTS for n in range(3))
    rows = mirror.read_index(root / "public")
    assert [row["report_file"] for row in rows] == REPORTS
    for row in rows:
        assert gzip.decompress((root / "public" / row["path"]).read_bytes())


def kill_ten_times(run: Callable[[], object], name: str) -> None:
    killed = sum(run_until_killed(run, name) for _ in range(KILLS))
    assert killed, f"{name} was never passed"


@pytest.mark.parametrize("name", [*STAGES, *WRITES, *PUBLISH[:-1], "measurements.refused.moved"])
def test_a_kill_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, uri: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_store, "BULK_DOCUMENTS", 2)
    root = tmp_path / "state"
    filled(root)
    kill_ten_times(lambda: go_on(root, uri), name)
    go_on(root, uri)
    assert_all_is_there_once(root, uri)


def test_a_report_of_which_a_killed_import_wrote_a_part_is_not_marked_complete(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_store, "BULK_DOCUMENTS", 2)
    root = tmp_path / "state"
    filled(root)
    assert run_until_killed(lambda: go_on(root, uri), "measurements.bulk_written")
    with closing(mongo.database(uri).client) as client:
        assert client["measurements"]["measurements"].count_documents({}) == 2
        [report] = client["measurements"]["reports"].find()
    assert report["spillway"]["complete"] is False


def test_every_failpoint_of_the_measurements_is_killed_at_here() -> None:
    known = {name for name in failpoints.NAMES if name.startswith("measurements.")}
    assert known == {*STAGES, *WRITES, *PUBLISH, *RESTORE, "measurements.refused.moved"}


def test_a_kill_while_the_mirror_forgets_leaves_no_file_without_its_row(tmp_path: Path, uri: str) -> None:
    root = tmp_path / "state"
    filled(root)
    go_on(root, uri)
    gone = REPORTS[:3]
    for report in gone:
        (root / "imported" / report).unlink()
    assert run_until_killed(lambda: go_on(root, uri), "measurements.publish.removed")
    go_on(root, uri)
    rows = mirror.read_index(root / "public")
    assert [row["report_file"] for row in rows] == REPORTS[3:]
    assert {path.relative_to(root / "public").as_posix() for path in (root / "public/reports").rglob("*.gz")} == {
        row["path"] for row in rows
    }


@pytest.mark.parametrize("name", RESTORE)
def test_a_killed_restore_is_finished_by_restoring_again(tmp_path: Path, uri: str, name: str) -> None:
    root = tmp_path / "state"
    filled(root)
    go_on(root, uri)
    packed = root / "archive" / f"{REPORTS[0]}.gz"
    packed.parent.mkdir(parents=True)
    packed.write_bytes(gzip.compress((root / "imported" / REPORTS[0]).read_bytes()))

    def restore() -> None:
        state = MeasurementState(root)
        with closing(mongo.database(uri).client) as client:
            Restorer(
                state.folders, root / "archive", MeasurementStore(client["measurements"]), copy,
                lambda: mirror.publish_locked(state.folders, state.ledger, state.emit, "Mirror"), state.emit,
            ).restore(f"{REPORTS[0]}.gz")  # fmt: skip
        state.ledger.close()

    def copy(raw: Path, state: Path) -> str:
        target = state / "staging" / REPORTS[0]
        target.parent.mkdir(parents=True)
        target.write_bytes((raw / REPORTS[0]).read_bytes())
        return "sanitized"

    kill_ten_times(restore, name)
    restore()
    go_on(root, uri)
    state = MeasurementState(root)
    assert state.states() == {**{report: ["imported"] for report in REPORTS}, BAD: ["errored"]}
    assert state.open_counts() == []
    assert list(state.folders.restoring.glob("*")) == []
    state.ledger.close()
    with closing(mongo.database(uri).client) as client:
        assert client["measurements"]["measurements"].count_documents({}) == 3 * len(REPORTS)
        assert client["measurements"]["reports"].count_documents({"spillway.complete": True}) == len(REPORTS)
