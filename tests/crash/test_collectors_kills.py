"""SIGKILL between every two steps of a sync, ten times each; then one more run, and everything is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.common.emit import no_events
from include.counts.ledger import StageLedger
from include.measurements import batch_manifest
from include.measurements.collect import pipeline
from include.measurements.collect.config import Collector, LocalFolder
from include.measurements.collect.drop_folder import DropFolder
from include.measurements.collect.places import Places
from spool import failpoints
from tests.support.collector_host import CollectorHost
from tests.support.killed_child import run_until_killed

pytestmark = pytest.mark.crash

BATCHES = 12
KILLS = 10
STEPS = [name for name in failpoints.NAMES if name.startswith("collectors.")]
FORGETTING = {"collectors.proven", "collectors.forgotten"}


def drop(folder: Path) -> dict[str, bytes]:
    expected = {}
    for number in range(BATCHES):
        batch = folder / f"b{number}"
        batch.mkdir(parents=True)
        for name in ("x", "y"):
            expected[f"b{number}/{name}"] = f"{number}{name}".encode()
            (batch / name).write_bytes(expected[f"b{number}/{name}"])
        (folder / f"b{number}.ready").touch()
    return expected


def sync(state: Path, dropped: Path, days: float, days_later: float = 0) -> None:
    collector = Collector("north", LocalFolder(transport="drop_folder", folder=dropped, forget_after_days=days))
    now_ms = 1_800_000_000_000 + int(days_later * pipeline.DAY_MS)
    with StageLedger(state, "test") as ledger:
        pipeline.sync(collector, DropFolder(dropped), Places.of(state, "north"), ledger, no_events, lambda: now_ms)


def shown(state: Path) -> dict[str, bytes]:
    found = {}
    for text in (state / "raw/north").glob("*.manifest"):
        batch = text.with_suffix("")
        assert not batch_manifest.compare(batch, batch_manifest.parse(text.read_text()))
        for path in batch_manifest.hashed(batch):
            found[f"{batch.name}/{path}"] = (batch / path).read_bytes()
    return found


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("days", [0, 7], ids=["forget at once", "forget later"])
def test_ten_kills_at_any_step_lose_and_double_nothing(tmp_path: Path, name: str, days: float) -> None:
    state, dropped = tmp_path / "state", tmp_path / "dropped"
    state.mkdir()
    expected = drop(dropped)
    later = 0.0
    if name in FORGETTING and days:
        # What came on the first day is forgotten a week later: the kills come then.
        sync(state, dropped, days)
        assert len(list(dropped.glob("b*.ready"))) == BATCHES
        later = days
    killed = [run_until_killed(lambda: sync(state, dropped, days, later), name) for _ in range(KILLS)]
    assert killed == [True] * KILLS
    sync(state, dropped, days, later)
    assert shown(state) == expected
    assert list((state / "collecting/north").glob("b*")) == []
    assert len(list(dropped.glob("b*.ready"))) == (0 if later == days else BATCHES)
    with StageLedger(state, "test") as ledger:
        [count] = ledger.counts()
    assert (count.count_in, count.count_out) == (2 * BATCHES, 2 * BATCHES)


@pytest.mark.parametrize("name", STEPS)
def test_a_kill_with_a_host_behind_its_gate_loses_and_doubles_nothing(tmp_path: Path, name: str) -> None:
    host = CollectorHost.make(tmp_path / "north")
    state = tmp_path / "state"
    state.mkdir()
    host.record("x", b"x")
    host.record("y", b"y" * 100_000)

    def run() -> None:
        with StageLedger(state, "test") as ledger:
            pipeline.sync(host.collector, host.transport, Places.of(state, "north"), ledger, no_events)

    assert run_until_killed(run, name)
    run()
    contents = sorted(content for content in shown(state).values())
    assert contents == [b"x", b"y" * 100_000]
    assert host.files() == set()
    with StageLedger(state, "test") as ledger:
        [count] = ledger.counts()
    assert (count.count_in, count.count_out) == (2, 2)
