"""SIGKILL at every step of an idempotent append and of its table: sent again, each sequence is there once."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool import failpoints
from spool.clock import Deadline
from spool.event import Event, ProducerSequence
from spool.log.stream_log import StreamLog
from spool.shipping import waiting_segments
from tests.fakes.folder_store import FolderStore
from tests.support.killed_child import run_until_killed
from tests.support.spool_host import SpoolHost, settings, values

pytestmark = pytest.mark.crash

SEQUENCES = 12
PRODUCERS = ("client", "outbox/here/events")
POINTS = [
    name
    for name in failpoints.NAMES
    if name.startswith(("log.append.", "log.seal.", "log.producers.", "archive.shipped", "archive.local"))
]


def send(log: StreamLog, producer: str, sequence: int) -> None:
    events = [Event(f"{producer}-{sequence}-{place}".encode()) for place in range(2)]
    log.append_once(events, ProducerSequence(producer, sequence, log.id), deadline=Deadline.after(20))


def expected() -> list[str]:
    return sorted(
        f"{producer}-{sequence}-{place}"
        for producer in PRODUCERS
        for sequence in range(1, SEQUENCES + 1)
        for place in range(2)
    )


def test_the_points_of_the_table_are_among_them() -> None:
    assert {"log.append.written", "log.append.noted", "log.producers.written", "log.seal.renamed"} <= set(POINTS)


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("at_pass", [1, 2, 4])
def test_every_sequence_is_there_once_whenever_the_sender_dies(
    name: str, at_pass: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_segments, "KEPT_SEGMENTS_MAX", 3)
    store = FolderStore(tmp_path / "store")
    progress = tmp_path / "progress"

    def work() -> None:
        host = SpoolHost(tmp_path / "spool", store, settings(acknowledgement="disk", persistent=True))
        begun = int(progress.read_text()) if progress.exists() else 1
        for sequence in range(begun, SEQUENCES + 1):
            progress.write_text(str(sequence))
            for producer in PRODUCERS:
                send(host.log, producer, sequence)
            host.log.seal()
            host.ship()

    kills = 0
    while run_until_killed(work, name, at_pass):
        kills += 1
        assert kills <= 20 * SEQUENCES, "no progress between two kills"
        if kills >= 20:
            break
    assert kills >= 1
    work()
    assert values(store) == expected()
