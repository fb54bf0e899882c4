"""The library client: three outcomes, its own deadlines, many logs, threads and forks."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from spool import clock
from spool.clock import Deadline
from spool.errors import AppendUnknown, LockTimeout, SettingsError, SpoolFull
from spool.event import Event
from spool.file_lock import locked
from spool.intake.client import SpoolClient
from spool.log import descriptor_budget
from spool.log.folder import segment_files
from spool.log.reader import read_sealed
from spool.settings import Settings, StreamSettings
from spool.shipping import ship_lock, waiter
from tests.fakes.memory_store import MemoryStore

pytestmark = pytest.mark.usefixtures("boots")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def settings(*names: str, acknowledgement: str = "disk") -> Settings:
    streams = {
        name: StreamSettings(name, name, acknowledgement=acknowledgement, persistent=True, seal_gap_s=0.0)  # type: ignore[arg-type]
        for name in names or ("events",)
    }
    return Settings("r", "checkpoints", 1, "deliveries", 1, streams)


EVENTS = [Event(b"value")]


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (lambda patch: patch.setattr(ship_lock.ShipLock, "beat", _raising(OSError(errno.ENOSPC, "full"))), "full"),
        (lambda patch: patch.setattr(waiter, "read_shipped", _raising(PermissionError("denied"))), "denied"),
        (lambda patch: patch.setattr(waiter, "Shipper", _raising(TypeError("of a newer version"))), "newer version"),
    ],
)
def test_whatever_goes_wrong_while_s3_is_waited_for_is_unknown_because_the_events_are_on_disk(
    folder: Path, broken: Callable[[pytest.MonkeyPatch], None], error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SpoolClient(folder, settings(acknowledgement="s3"), store=MemoryStore) as client:
        broken(monkeypatch)
        with pytest.raises(AppendUnknown, match=error) as caught:
            client.append("events", EVENTS, timeout_s=30)
        assert "do not send again" in caught.value.hint
        monkeypatch.undo()
        monkeypatch.setattr(clock, "BOOT_ID_FILE", folder.parent / "boot_id")
        assert client.append("events", EVENTS, acknowledgement="disk").ranges == ((1, 2),)


def test_a_folder_in_the_place_of_the_ship_lock_makes_an_append_unknown(folder: Path) -> None:
    (folder / "ship.lock").mkdir(parents=True)
    with (
        SpoolClient(folder, settings(acknowledgement="s3"), store=MemoryStore) as client,
        pytest.raises(AppendUnknown, match="lock"),
    ):
        client.append("events", EVENTS, timeout_s=30)


def _raising(error: Exception) -> Callable[..., object]:
    def fail(*arguments: object, **options: object) -> object:
        raise error

    return fail


def test_the_first_append_ends_at_its_own_deadline(folder: Path) -> None:
    (folder / "events").mkdir(parents=True)
    with (
        locked(folder / "events" / "stream.lock", Deadline.after(30)),
        SpoolClient(folder, settings()) as client,
    ):
        deadline = Deadline.after(20)
        with pytest.raises(LockTimeout, match="events"):
            client.append("events", EVENTS, timeout_s=0.05)
        assert not deadline.expired, "the client has no time-out of its own that is longer"


def test_a_thread_does_not_wait_longer_than_its_deadline_for_another_that_opens_a_log(folder: Path) -> None:
    (folder / "events").mkdir(parents=True)
    client = SpoolClient(folder, settings("events", "others"))
    with locked(folder / "events" / "stream.lock", Deadline.after(30)):
        patient = threading.Thread(target=client.append, args=("events", EVENTS), kwargs={"timeout_s": 60})
        patient.start()
        while not client._opening.locked():
            time.sleep(0.001)
        with pytest.raises(LockTimeout, match="another thread of this process is opening a log"):
            client.append("others", EVENTS, timeout_s=0.05)
        assert patient.is_alive()
    patient.join()
    assert client.append("others", EVENTS).event_count == 1
    client.close()


def test_disk_is_refused_for_a_stream_whose_folder_may_be_lost(folder: Path) -> None:
    known = Settings("r", "c", 1, "d", 1, {"events": StreamSettings("events", "events")})
    with SpoolClient(folder, known) as client, pytest.raises(SettingsError, match="may not be acknowledged at `disk`"):
        client.append("events", EVENTS, acknowledgement="disk")


# Descriptors.


def in_child(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def take_all_descriptors() -> list[int]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    taken: list[int] = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    return taken


def test_two_hundred_busy_logs_keep_a_bounded_number_of_descriptors(folder: Path) -> None:
    names = [f"stream{number}" for number in range(200)]

    def work() -> None:
        before = open_descriptors()
        with SpoolClient(folder, settings(*names)) as client:
            for _ in range(2):
                for name in names:
                    client.append(name, EVENTS)
            assert open_descriptors() - before <= 2 * descriptor_budget.OPEN_LOGS_MAX + 2
            assert {client.append(name, EVENTS).ranges for name in names} == {((2, 3),)}

    assert in_child(work) == 0


def test_a_log_that_was_closed_for_others_still_seals_under_the_right_identity(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptor_budget.OPEN_LOGS, "_limit", 1)
    with SpoolClient(folder, settings("one", "two")) as client:
        for _ in range(3):
            client.append("one", EVENTS)
            client.append("two", EVENTS)
        log = client._logs["one"]
        assert log.seal()
        contents = read_sealed(segment_files(log.path)[0].path)
        assert contents.sha256 == contents.identity


def test_a_process_without_a_free_descriptor_hears_that_and_not_of_the_disk(folder: Path) -> None:
    def work() -> None:
        with SpoolClient(folder, settings("events", "others")) as client:
            client.append("events", EVENTS)
            taken = take_all_descriptors()
            with pytest.raises(SpoolFull, match="no file descriptor is left") as caught:
                client.append("others", EVENTS)
            assert "ulimit" in caught.value.hint
            for descriptor in taken:
                os.close(descriptor)
            client.append("others", EVENTS)

    assert in_child(work) == 0


# Forks.


def test_a_fork_does_not_wait_for_a_thread_that_waits_for_the_log(folder: Path) -> None:
    with SpoolClient(folder, settings()) as client:
        client.append("events", EVENTS)
        log = client._logs["events"]
        outcomes: list[object] = []
        waiting = threading.Event()

        def wait() -> None:
            waiting.set()
            try:
                outcomes.append(client.append("events", EVENTS, timeout_s=20))
            except LockTimeout as error:
                outcomes.append(error)

        with locked(log.path / "lock", Deadline.after(30)):
            thread = threading.Thread(target=wait)
            thread.start()
            waiting.wait()
            while not log._writer._busy.locked():
                time.sleep(0.001)
            assert in_child(lambda: None) == 0
            assert outcomes == [], "the fork was over before the wait"
        thread.join()
        assert outcomes[0].event_count == 1  # type: ignore[attr-defined]


def test_a_child_appends_while_its_parents_threads_write(folder: Path) -> None:
    with SpoolClient(folder, settings()) as client:
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                client.append("events", EVENTS)

        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        codes = [in_child(lambda: client.append("events", EVENTS)) for _ in range(5)]
        stop.set()
        for thread in threads:
            thread.join()
        assert codes == [0] * 5
