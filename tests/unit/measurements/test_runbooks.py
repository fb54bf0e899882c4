"""The steps of the runbooks of measurement reports, tried as they are written there."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.counts.__main__ import main as counts_command
from include.measurements.collect.config import Collector, LocalFolder
from include.measurements.collect.drop_folder import DropFolder
from include.measurements.collect.errors import OriginalsLost
from include.measurements.load.stage import Limit
from tests.fakes.memory_measurements import MemoryMeasurements
from tests.support.aggregator import Aggregator
from tests.support.measurement_state import MeasurementState
from tests.support.raw_batches import RawBatches, report

REPOSITORY = Path(__file__).parents[3]
RUNBOOKS = REPOSITORY / "docs" / "runbooks"
REPORT = "north/b1/deep/r 1"


def section(page: str, title: str) -> str:
    text = (RUNBOOKS / page).read_text(encoding="utf-8")
    return re.split(r"^## ", text.split(f"## {title}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def commands(text: str) -> list[str]:
    """Every command of a section: indented lines and what stands in backquotes and begins with a program."""
    indented = re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)
    quoted = re.findall(r"`((?:rm|python -m|gzip) [^`]+)`", text)
    return [*indented, *quoted]


def shell(command: str, state: Path, report_name: str = REPORT) -> int:
    command = command.replace("<report>", report_name).replace("<host>/<batch>", "north/b1")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY),
        "SPILLWAY_STATE": str(state),
    }  # fmt: skip
    return subprocess.run(["bash", "-c", command], cwd=REPOSITORY, env=environment, check=False).returncode


@pytest.fixture
def collided(tmp_path: Path) -> RawBatches:
    """A second original of a path, held because the first one is in `staging`."""
    raw = RawBatches(tmp_path / "state")
    for entry in ("{input: first}", "{input: second}"):
        raw.drop("north/b1", {"deep/r 1": report(entry)})
        raw.run()
    assert raw.places() == {REPORT: ["staging", "errored/collision"]}
    return raw


def test_a_second_original_that_is_not_wanted_is_compared_and_removed(collided: RawBatches) -> None:
    text = section("quarantined-measurement-reports.md", "Two originals of one path")
    compare, *rest = commands(text)
    assert shell(compare, collided.state) == 1
    removals = [command for command in rest if command.startswith("rm ")]
    assert len(removals) == 2
    assert [shell(command, collided.state) for command in removals] == [0, 0]
    assert collided.places() == {REPORT: ["staging"]}
    assert [path for path in (collided.state / "reasons").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("better", ["the held one", "both"])
def test_a_second_original_that_is_wanted_is_redriven(collided: RawBatches, better: str) -> None:
    text = section("quarantined-measurement-reports.md", "Two originals of one path")
    [redrive] = [command for command in commands(text) if command.startswith("python")]
    if better == "the held one":
        collided.folders.path("staging", REPORT).unlink()
    assert shell(redrive, collided.state) == 0
    collided.run()
    places = collided.places()
    assert all(states == ["staging"] for states in places.values())
    assert len(places) == (1 if better == "the held one" else 2)
    [redriven] = [name for name in places if name != REPORT]
    assert b"second" in collided.staged(redriven)


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[Aggregator]:
    made = Aggregator(tmp_path / "state")
    yield made
    made.ledger.close()


def test_originals_that_are_lost_here_are_collected_again(aggregator: Aggregator, tmp_path: Path) -> None:
    dropped = tmp_path / "dropped"
    (dropped / "b1").mkdir(parents=True)
    (dropped / "b1" / "r").write_bytes(b"r")
    (dropped / "b1.ready").touch()
    collector = Collector("north", LocalFolder(transport="drop_folder", folder=dropped, forget_after_days=7))
    aggregator.sync(collector, DropFolder(dropped))
    (aggregator.state / "raw/north/b1/r").write_bytes(b"x")
    aggregator.now_ms += 8 * 86_400_000
    with pytest.raises(OriginalsLost):
        aggregator.sync(collector, DropFolder(dropped))
    text = section("collector-refuses.md", "OriginalsLost")
    for place in re.findall(r"`(raw/<host>/<batch>[^`]*)`", text):
        lost = aggregator.state / place.replace("<host>/<batch>", "north/b1")
        lost.rename(tmp_path / lost.name)
    [remove] = [command for command in commands(text) if command.startswith("rm ")]
    assert shell(remove, aggregator.state) == 0
    aggregator.sync(collector, DropFolder(dropped))
    assert aggregator.raw() == {"r": b"r"}


def sql() -> list[str]:
    """The statements of the page to the ledger, in their order."""
    text = (RUNBOOKS / "counts-differ.md").read_text(encoding="utf-8")
    return [re.sub(r"\s*\\\n\s*", " ", found) for found in re.findall(r'"((?:SELECT|UPDATE) [^"]+)"', text)]


def names_of_open_ones(state: MeasurementState, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the command of the page names."""
    [command] = re.findall(r"-m include\.counts (\w+)$", (RUNBOOKS / "counts-differ.md").read_text(), re.MULTILINE)
    assert counts_command([command, "--state", str(state.folders.root), "--json"]) == 0
    return [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]


def test_the_questions_to_the_ledger_name_the_reports_that_are_missing(
    state: MeasurementState, capsys: pytest.CaptureFixture[str]
) -> None:
    settle, not_taken = sql()
    state.stage_report("north/b1/a")
    state.postprocess()
    state.folders.path("reports", "north/b1/a").unlink()
    state.import_reports(MemoryMeasurements())
    state.ledger.take("F", "S", ["ITEM"])
    assert names_of_open_ones(state, capsys) == ["ITEM"]
    with sqlite3.connect(state.folders.root / "stage_ledger.sqlite") as ledger:
        assert ledger.execute(settle).rowcount == 1
        assert ledger.execute(not_taken).fetchall() == [("north/b1/a",)]
    assert state.open_counts() == []


def test_a_report_whose_documents_are_missing_is_named_and_its_way_back_helps(
    state: MeasurementState, capsys: pytest.CaptureFixture[str]
) -> None:
    class Losing(MemoryMeasurements):
        def put(self, about, entries, report_file):  # type: ignore[no-untyped-def]
            return super().put(about, list(entries)[1:], report_file)

    state.stage_report("north/b1/a")
    state.stage_report("north/b1/b")
    state.postprocess()
    state.import_reports(MemoryMeasurements(), Limit(reports=1))
    state.import_reports(Losing())
    assert names_of_open_ones(state, capsys) == ["north/b1/b"]
    state.folders.move("north/b1/b", "imported", "reports")
    state.import_reports(MemoryMeasurements())
    assert state.open_counts() == []


def reasons(page: str) -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", (RUNBOOKS / page).read_text(encoding="utf-8"), re.MULTILINE))


def test_every_reason_of_a_report_in_errored_is_explained() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for room in ("load", "publish")
        for path in sorted((REPOSITORY / "include/measurements" / room).rglob("*.py"))
    )
    code += (REPOSITORY / "include/measurements/verdicts.py").read_text(encoding="utf-8")
    raised = set(re.findall(r'MeasurementReportRefused\(\s*"(\w+)"', code))
    assert len(raised) > 5
    assert raised - reasons("errored-measurement-reports.md") == set()


def test_a_report_in_errored_goes_back_by_the_commands_of_its_page(state: MeasurementState) -> None:
    name = state.stage_report("north/b1/r.yamloo")
    whole = state.folders.path("staging", name).read_text()
    state.folders.path("staging", name).write_text("--- {test_name: x}\n--- {a: " + "[" * 95 + "]" * 95 + "}\n")
    state.stage_report("north/b1/other")
    state.postprocess()
    assert state.states()[name] == ["errored"]
    page = (RUNBOOKS / "errored-measurement-reports.md").read_text(encoding="utf-8")
    dry_run, send_back = [command for command in commands(page) if " redrive " in command]
    assert shell(dry_run, state.folders.root) == 0
    assert state.states()[name] == ["errored"]
    assert shell(send_back, state.folders.root) == 0
    assert state.states()[name] == ["staging"]
    state.folders.path("staging", name).write_text(whole)
    state.postprocess()
    assert state.states() == {name: ["reports"], "north/b1/other": ["reports"]}
    assert state.open_counts() == []


def test_a_lost_database_is_filled_again_from_imported(state: MeasurementState) -> None:
    names = [state.stage_report(f"north/b1/{name}") for name in "ab"]
    state.postprocess()
    lost = MemoryMeasurements()
    state.import_reports(lost)
    state.publish()
    page = (RUNBOOKS / "mongodb.md").read_text(encoding="utf-8")
    [line] = [line for line in page.splitlines() if "The database is lost" in line]
    source, target = re.findall(r"`(\w+)/`", line)
    shutil.copytree(state.folders.root / source, state.folders.root / target, dirs_exist_ok=True)
    shutil.rmtree(state.folders.root / source / "north")
    again = MemoryMeasurements()
    state.import_reports(again)
    assert (again.reports, again.measurements) == (lost.reports, lost.measurements)
    assert state.states() == {name: ["imported"] for name in names}
    assert state.open_counts() == []
