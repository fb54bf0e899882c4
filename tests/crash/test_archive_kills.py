"""SIGKILL at every failpoint of shipping; then ship again: the same objects, nothing lost, nothing doubled."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from spool import failpoints
from spool.errors import StoreUnavailable
from spool.log.shipped import read_shipped
from spool.shipping import fork, log_shipper, segment_put, shipped_record
from spool.store.keys import segment_key
from tests.fakes.folder_store import FolderStore
from tests.fakes.memory_store import MemoryStore
from tests.support.killed_child import run_until_killed
from tests.support.spool_host import ROOT, SpoolHost, archived, numbered, values

pytestmark = pytest.mark.crash

SEGMENTS = 4
MODULES = (fork, log_shipper, segment_put, shipped_record)
FORK_ONLY = [name for name in failpoints.NAMES if name.startswith("archive.fork.")]
SHIPPING = [
    name
    for name in failpoints.NAMES
    if name.startswith("archive.") and name not in (*FORK_ONLY, "archive.orphan.moved")
]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def test_the_archive_has_at_least_six_failpoints() -> None:
    assert MODULES
    assert len(SHIPPING) >= 6
    assert len(FORK_ONLY) >= 5


@pytest.mark.parametrize("name", SHIPPING)
@pytest.mark.parametrize("at_pass", [1, 3])
def test_a_kill_while_shipping_loses_and_doubles_nothing(
    name: str, at_pass: int, tmp_path: Path, store: FolderStore
) -> None:
    host = SpoolHost(tmp_path / "spool", store)
    host.append_segments("a", SEGMENTS)
    host.log.close()
    undisturbed = MemoryStore()
    host.snapshot(tmp_path / "twin", detected=False)
    SpoolHost(tmp_path / "twin", undisturbed).ship()

    assert run_until_killed(host.ship, name, at_pass)
    left = {line.key: store.get(line.key).body for line in store.list(f"{ROOT}/events/")}
    # A waiter that looks now gets a report only of what is there.
    shipped = read_shipped(host.log.path)
    assert len(left) >= shipped.segment + 1

    host.append("later")
    host.ship()
    assert values(store) == sorted([*numbered("a", SEGMENTS), "later"])
    assert [one.offset for one in archived(store)] == list(range(5 * SEGMENTS + 1))
    assert host.files() == [f"{SEGMENTS + 1:012d}.open"]
    assert host.alarms.ever == []
    for key, body in left.items():
        assert store.get(key).body == body
        assert undisturbed.get(key).body == body, "the same segment gives the same object"


@pytest.mark.parametrize("name", [*FORK_ONLY, *SHIPPING])
@pytest.mark.parametrize("at_pass", [1, 2])
def test_a_kill_in_the_middle_of_a_fork_moves_every_record_once(
    name: str, at_pass: int, tmp_path: Path, store: FolderStore
) -> None:
    first = SpoolHost(tmp_path / "first", store)
    first.append("both-1")
    second = first.snapshot(tmp_path / "second", detected=False)
    first.append("one-1")
    first.ship()
    for number in range(3):
        second.append(f"two-{number}a", f"two-{number}b", group=True)
    second.append_segments("later", 2, events=2)
    second.log.close()
    expected = sorted(
        ["both-1", "one-1", *(f"two-{n}{x}" for n in range(3) for x in "ab"), *numbered("later", 2, events=2)]
    )

    run_until_killed(second.ship, name, at_pass)
    # Twice more, at the same place: the process that continues may die too.
    run_until_killed(second.ship, name, at_pass)
    survivor = SpoolHost(second.folder, store, second.settings)
    survivor.append("last")
    for _ in range(3):
        survivor.ship()
    assert values(store) == sorted([*expected, "last"])
    groups = {one.group for one in archived(store) if one.value.startswith(b"two-")}
    assert len(groups) == 3
    assert {size for _, size in groups} == {2}
    assert list(tmp_path.glob("second/events/*/fork.json")) == []


def test_a_kill_between_orphaning_and_recording_it_leaves_the_waiter_unanswered(
    tmp_path: Path, store: FolderStore
) -> None:
    host = SpoolHost(tmp_path / "spool", store)
    host.append_segments("a", 2)
    host.log.close()
    twin = host.snapshot(tmp_path / "twin", detected=False)
    twin.ship()
    host.archive.raise_floor(host.name, 1)
    store.delete(segment_key(ROOT, "events", host.log.id, 0))
    host.log.close()
    assert run_until_killed(host.ship, "archive.orphan.moved")
    assert read_shipped(host.log.path).segment == -1
    host.ship()
    assert shipped_record.is_orphaned_offset(host.log.path, 0)
    assert not shipped_record.is_orphaned_offset(host.log.path, 5)
    assert read_shipped(host.log.path) == (1, 10)


def test_a_stopped_shipper_that_wakes_up_late_does_no_harm(tmp_path: Path, store: FolderStore) -> None:
    host = SpoolHost(tmp_path / "spool", store)
    host.append_segments("a", SEGMENTS)
    host.log.close()
    child = os.fork()
    if child == 0:
        try:
            failpoints.arm("archive.put.before=stop@2")
            host.ship()
            os._exit(0)
        except BaseException:
            os._exit(1)
    os.waitpid(child, os.WUNTRACED)
    host.append_segments("b", 2)
    host.ship()
    os.kill(child, signal.SIGCONT)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert values(store) == sorted(numbered("a", SEGMENTS) + numbered("b", 2))
    assert read_shipped(host.log.path) == (SEGMENTS + 1, 5 * (SEGMENTS + 2))
    assert host.files() == [f"{SEGMENTS + 2:012d}.open"]


def test_killed_at_random_again_and_again(tmp_path: Path, store: FolderStore) -> None:
    host = SpoolHost(tmp_path / "spool", store)
    expected = []
    for number in range(12):
        host.append_segments(f"r{number:02d}", 2)
        expected += numbered(f"r{number:02d}", 2)
        host.log.close()
        child = os.fork()
        if child == 0:
            try:
                host.ship()
            except StoreUnavailable:
                pass
            finally:
                os._exit(0)
        time.sleep(0.002 * number)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    host.ship()
    assert values(store) == sorted(expected)
