"""Which logs are replayed: what holds one back is its own, is named, and is an alarm when it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spool.kafka.topics import Cluster, TargetTopic
from spool.replay import roster
from spool.replay.checkpoint import Checkpoint, CheckpointKey, Checkpoints, TransactionStaysOpen, encode_checkpoint
from spool.replay.roster import Roster
from spool.replay.standing import Standings
from spool.replay.surroundings import Surroundings
from tests.fakes.memory_store import MemoryStore
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.support.spool_host import SpoolHost

PARTITIONS = 2


class KnownCheckpoints:
    """What a look at the checkpoint topic gives."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    def read_all(self, *, decided: bool) -> Checkpoints:
        return self._checkpoints


class NoContradiction:
    def look(self, checkpoints: Checkpoints) -> dict[CheckpointKey, str]:
        return {}


@pytest.fixture
def host(tmp_path: Path) -> SpoolHost:
    one = SpoolHost(tmp_path / "spool", MemoryStore())
    one.append_segments("a", 2)
    one.ship()
    return one


@pytest.fixture
def readers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def look(host: SpoolHost, alarms: RecordedAlarms, readers: ThreadPoolExecutor, known: Checkpoints | None = None):  # type: ignore[no-untyped-def]
    """One look of a replayer that has just begun, as each run of the DAG makes one."""
    around = Surroundings(
        host.settings, "events", host.archive, {}, Cluster("c", TargetTopic("events", 3, 1_000_000)),
        KnownCheckpoints(Checkpoints({}) if known is None else known), NoContradiction(), alarms, "instance", 60.0,  # type: ignore[arg-type]
    )  # fmt: skip
    standings = Standings("events", alarms)
    logs = Roster(around, standings, readers, lambda error: None)
    logs.look()
    return logs, standings


def successor(host: SpoolHost, tmp_path: Path) -> SpoolHost:
    twin = host.snapshot(tmp_path / "twin", detected=True)
    twin.append("later")
    twin.log.seal()
    twin.ship()
    return twin


def test_a_successor_that_waits_for_long_is_an_alarm_in_the_first_look_of_a_run(
    host: SpoolHost, readers: ThreadPoolExecutor, tmp_path: Path
) -> None:
    twin, alarms = successor(host, tmp_path), RecordedAlarms()
    logs, standings = look(host, alarms, readers)
    assert set(logs.logs) == {host.log.id}
    assert standings.waiting == {twin.log.id: f"waits for its predecessor {host.log.id}"}
    assert set(alarms.now) == {("successor_waits", f"events/{twin.log.id}")}


def test_the_alarm_of_a_successor_closes_when_its_predecessor_is_delivered(
    host: SpoolHost, readers: ThreadPoolExecutor, tmp_path: Path
) -> None:
    twin, alarms = successor(host, tmp_path), RecordedAlarms()
    look(host, alarms, readers)
    key = CheckpointKey("events", "events", host.log.id).encode()
    known = Checkpoints({key: encode_checkpoint(Checkpoint(next=10, segment=99))}, PARTITIONS)
    logs, standings = look(host, alarms, readers, known)
    assert twin.log.id in logs.logs
    assert standings.waiting == {}
    assert alarms.now == {}


def test_a_successor_that_waits_since_a_moment_is_no_alarm(
    host: SpoolHost, readers: ThreadPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    successor(host, tmp_path)
    monkeypatch.setattr(roster, "WAITS_ALARM_S", 10.0**12)
    alarms = RecordedAlarms()
    _, standings = look(host, alarms, readers)
    assert len(standings.waiting) == 1
    assert alarms.now == {}


def test_an_open_transaction_in_a_partition_of_the_checkpoints_holds_up_its_own_logs_only(
    host: SpoolHost, readers: ThreadPoolExecutor, tmp_path: Path
) -> None:
    logs = [host.log.id]
    while len({CheckpointKey("events", "events", log).partition(PARTITIONS) for log in logs}) < PARTITIONS:
        another = SpoolHost(tmp_path / f"spool{len(logs)}", host.store)
        another.append("x")
        another.log.seal()
        another.ship()
        logs.append(another.log.id)
    held_up = {log for log in logs if CheckpointKey("events", "events", log).partition(PARTITIONS) == 0}
    known = Checkpoints({}, PARTITIONS, {0: TransactionStaysOpen("open", hint="wait")})
    begun, _ = look(host, RecordedAlarms(), readers, known)
    assert set(begun.logs) == set(logs) - held_up
