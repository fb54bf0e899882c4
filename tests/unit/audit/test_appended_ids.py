"""Which events a log and its successors have, in the folder or in the archive: each one is named once."""

from __future__ import annotations

from pathlib import Path

import pytest

from spool.audit.appended_ids import appended_ids
from spool.clock import Deadline
from spool.event import Event, ProducerSequence
from spool.names import LogName
from tests.fakes.memory_store import MemoryStore
from tests.support.spool_host import SpoolHost


@pytest.fixture
def host(tmp_path: Path) -> SpoolHost:
    """Offsets 0 to 3 in two archived segments that the folder keeps for its producer, 4 and 5 in the open one."""
    host = SpoolHost(tmp_path / "one", MemoryStore())
    for sequence in (1, 2):
        append(host, sequence)
        host.log.seal()
    host.ship()
    append(host, 3)
    assert len(host.files()) == 3, "the archived segments are in the folder too"
    return host


def append(host: SpoolHost, sequence: int) -> None:
    events = [Event(b"v", key=b"%d" % place, id=f"{sequence}-{place}") for place in range(2)]
    host.log.append_once(events, ProducerSequence("outbox/x", sequence, host.log.id), deadline=Deadline.after(10))


def ids(host: SpoolHost, start: int = 0, log: str = "", current: str = "") -> list[str]:
    name = LogName("events", log or host.log.id)
    return sorted(appended_ids(host.archive, host.folder, name, start, current or host.log.id))


def test_what_is_in_the_folder_and_in_the_archive_is_named_once(host: SpoolHost) -> None:
    assert ids(host) == ["1-0", "1-1", "2-0", "2-1", "3-0", "3-1"]


@pytest.mark.parametrize("start", range(7))
def test_only_what_is_behind_the_offset_is_named(host: SpoolHost, start: int) -> None:
    assert ids(host, start) == ["1-0", "1-1", "2-0", "2-1", "3-0", "3-1"][start:]


def test_a_lost_folder_leaves_what_the_archive_has(host: SpoolHost, tmp_path: Path) -> None:
    another = SpoolHost(tmp_path / "another", host.store)
    append(another, 1)
    assert ids(another, 1, log=host.log.id) == ["1-0", "1-1", "1-1", "2-0", "2-1"]


def test_a_log_that_was_continued_is_followed_to_its_successors(host: SpoolHost, tmp_path: Path) -> None:
    copy = host.snapshot(tmp_path / "copy", detected=True)
    append(copy, 4)
    assert copy.log.id != host.log.id
    assert ids(copy, 4, log=host.log.id) == ["3-0", "3-1", "4-0", "4-1"]
