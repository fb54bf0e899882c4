"""Three logs of one folder, one of them in trouble: the other two are shipped as if they were alone."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spool.clock import Deadline
from spool.errors import ShipFailed, SpoolError, StoreUnavailable
from spool.event import Event
from spool.file_lock import FileLock
from spool.format import segment_header
from spool.log.stream_log import StreamLog
from spool.names import LogName
from spool.settings import Settings, StreamSettings
from spool.shipping import log_shipper, log_turn
from spool.shipping.shipper import Shipper
from spool.store.keys import segment_key
from tests.fakes.memory_store import Fault, MemoryStore
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.support.spool_host import ROOT, archived
from tests.support.waiting import wait_for

STREAMS = ("alpha", "beta", "gamma")
FOREVER = 10**9


@dataclass
class Folder:
    """A spool folder with one log a stream."""

    path: Path
    store: MemoryStore
    alarms: RecordedAlarms = field(default_factory=RecordedAlarms)
    logs: dict[str, StreamLog] = field(default_factory=dict)
    streams: dict[str, StreamSettings] = field(default_factory=dict)
    resources: ExitStack = field(default_factory=ExitStack)

    def begin(self) -> None:
        for name in STREAMS:
            self.streams[name] = StreamSettings(name, name, seal_age_s=0.001)
            self.logs[name] = StreamLog.open(self.path, self.streams[name], alarms=self.alarms)

    def append(self, stream: str, *texts: str) -> None:
        events = [Event(f"{stream} {text}".encode()) for text in texts]
        self.logs[stream].append(events, group=False, deadline=Deadline.after(30))

    def shipper(self) -> Shipper:
        settings = Settings(ROOT, "checkpoints", 1, "deliveries", 1, self.streams)
        return Shipper(self.path, settings, self.store, self.alarms)

    def archived(self, stream: str) -> list[str]:
        """What of one log is in the store, whatever the store does to those who ask."""
        prefix = f"{ROOT}/{stream}/"
        objects = {key: found for key, found in list(self.store.objects.items()) if key.startswith(prefix)}
        return [one.value.decode().removeprefix(f"{stream} ") for one in archived(MemoryStore(objects))]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.setattr(log_turn, "BACKOFF_FIRST_S", 0.01)
    monkeypatch.setattr(log_turn, "BACKOFF_MAX_S", 0.05)
    monkeypatch.setattr(log_turn, "LOCK_S", 0.2)
    monkeypatch.setattr(log_shipper, "LOCK_S", 0.2)
    made = Folder(tmp_path / "spool", MemoryStore())
    made.begin()
    with made.resources:
        yield made


Break = Callable[[Folder, str], None]


def unknown_stream(folder: Folder, stream: str) -> None:
    del folder.streams[stream]


def damaged_identity(folder: Folder, stream: str) -> None:
    (folder.logs[stream].path / "log.json").write_bytes(b"\0" * 40)


def damaged_fork_mark(folder: Folder, stream: str) -> None:
    (folder.logs[stream].path / "fork.json").write_text('{"segment": "x"}')


def unreadable_fork_mark(folder: Folder, stream: str) -> None:
    (folder.logs[stream].path / "fork.json").mkdir()


def missing_segment(folder: Folder, stream: str) -> None:
    folder.append(stream, "second")
    folder.logs[stream].seal()
    (folder.logs[stream].path / "000000000000.sealed").unlink()


def no_files_left(folder: Folder, stream: str) -> None:
    for path in folder.logs[stream].path.glob("0*"):
        path.unlink()


def segment_of_a_newer_version(folder: Folder, stream: str) -> None:
    log = folder.logs[stream]
    with pytest.MonkeyPatch.context() as newer:
        newer.setattr(segment_header, "VERSION", 99)
        header = segment_header.encode_segment_header(segment_header.SegmentHeader(stream, log.id, 0, 0, 0))
    (log.path / "000000000000.sealed").write_bytes(header)


def key_taken_by_what_is_no_segment(folder: Folder, stream: str) -> None:
    key = segment_key(ROOT, stream, folder.logs[stream].id, 0)
    folder.store.put_if_absent(key, b"<html>welcome</html>", {})


def damaged_floor(folder: Folder, stream: str) -> None:
    folder.store.put_if_absent(f"{ROOT}/_meta/floors/{stream}/{folder.logs[stream].id}", b"\0", {})


def refused_by_the_store(folder: Folder, stream: str) -> None:
    folder.store.faults.append(Fault("put_if_absent", "refused", f"{ROOT}/{stream}/", times=FOREVER))


def never_answered_by_the_store(folder: Folder, stream: str) -> None:
    folder.store.faults.append(Fault("put_if_absent", "unavailable", f"{ROOT}/{stream}/", times=FOREVER))


def never_answered_for_its_floor(folder: Folder, stream: str) -> None:
    folder.store.faults.append(Fault("get", "unavailable", f"floors/{stream}/", times=FOREVER))


def held_log(folder: Folder, stream: str) -> None:
    folder.append(stream, "not sealed")
    hold(folder, folder.logs[stream].path / "lock")


def held_record(folder: Folder, stream: str) -> None:
    hold(folder, folder.logs[stream].path / "shipped.lock")


def hold(folder: Folder, path: Path) -> None:
    lock = FileLock(path)
    assert lock.try_acquire()
    folder.resources.callback(lock.close)


BREAKS = [
    unknown_stream, damaged_identity, damaged_fork_mark, unreadable_fork_mark, missing_segment, no_files_left,
    segment_of_a_newer_version, key_taken_by_what_is_no_segment, damaged_floor, refused_by_the_store,
    never_answered_by_the_store, never_answered_for_its_floor, held_log, held_record,
]  # fmt: skip


def prepared(folder: Folder, spoil: Break, broken: str) -> list[str]:
    """Every log has a sealed segment; one is in trouble. The names of the others."""
    for stream in STREAMS:
        folder.append(stream, "first")
        folder.logs[stream].seal()
    spoil(folder, broken)
    return [stream for stream in STREAMS if stream != broken]


@pytest.mark.parametrize("broken", STREAMS)
@pytest.mark.parametrize("spoil", BREAKS, ids=lambda spoil: spoil.__name__)
def test_a_single_run_ships_the_others_and_names_the_one(folder: Folder, spoil: Break, broken: str) -> None:
    others = prepared(folder, spoil, broken)
    for stream in others:
        for number in range(2 * log_turn.SEGMENTS_A_TURN):
            folder.append(stream, f"n{number}")
            folder.logs[stream].seal()
    with pytest.raises(SpoolError, match=broken):
        folder.shipper().ship_once()
    for stream in others:
        assert folder.archived(stream) == ["first", *(f"n{n}" for n in range(2 * log_turn.SEGMENTS_A_TURN))]


@pytest.mark.parametrize("broken", STREAMS)
@pytest.mark.parametrize("spoil", BREAKS, ids=lambda spoil: spoil.__name__)
def test_the_resident_shipper_ships_the_others_and_names_the_one(folder: Folder, spoil: Break, broken: str) -> None:
    others = prepared(folder, spoil, broken)
    with resident(folder) as errors:
        for number in range(5):
            for stream in others:
                folder.append(stream, f"n{number}")
            wait_for(lambda n=number: all(f"n{n}" in folder.archived(stream) for stream in others))
    assert [LogName(*name.split("/")).stream for name in errors] == [broken]
    assert {subject.partition("/")[0] for _, subject in folder.alarms.now if "/" in subject and ":" not in subject} <= {
        broken
    }


@pytest.mark.parametrize("broken", STREAMS)
def test_while_the_store_keeps_one_log_waiting_the_others_are_shipped(folder: Folder, broken: str) -> None:
    others = prepared(folder, lambda folder, stream: None, broken)
    answer, asked = threading.Event(), []

    def hang(name: str, key: str) -> None:
        if name == "put_if_absent" and key.startswith(f"{ROOT}/{broken}/"):
            asked.append(key)
            if len(asked) > 1:
                answer.wait(240)

    folder.store.faults.append(Fault("put_if_absent", "unavailable", f"{ROOT}/{broken}/"))
    folder.store.before_call = hang
    with resident(folder) as errors:
        wait_for(lambda: len(asked) > 1)
        for number in range(5):
            for stream in others:
                folder.append(stream, f"n{number}")
            wait_for(lambda n=number: all(f"n{n}" in folder.archived(stream) for stream in others))
        assert folder.archived(broken) == []
        answer.set()
        wait_for(lambda: folder.archived(broken) == ["first"])
    assert errors == {}


def test_one_who_stops_in_the_middle_of_recording_holds_up_nobody_for_long(folder: Folder) -> None:
    prepared(folder, held_record, "beta")
    with pytest.raises(SpoolError, match=r"beta.*shipped\.lock.*holds the lock"):
        folder.shipper().ship_once()
    folder.resources.close()
    folder.shipper().ship_once()
    assert folder.archived("beta") == ["first"]


def test_several_in_trouble_are_all_named(folder: Folder) -> None:
    prepared(folder, damaged_fork_mark, "alpha")
    never_answered_by_the_store(folder, "gamma")
    with pytest.raises(ShipFailed, match=r"2 logs were not shipped: alpha/.*; gamma/.*") as caught:
        folder.shipper().ship_once()
    assert "move fork.json out" in caught.value.hint
    assert folder.archived("beta") == ["first"]


def test_where_only_the_store_is_away_the_run_may_be_tried_again(folder: Folder) -> None:
    prepared(folder, never_answered_by_the_store, "alpha")
    never_answered_by_the_store(folder, "gamma")
    with pytest.raises(StoreUnavailable, match="2 logs"):
        folder.shipper().ship_once()


def test_a_store_that_refuses_for_a_while_is_tried_again(folder: Folder) -> None:
    prepared(folder, lambda folder, stream: None, "beta")
    refused = Fault("*", "refused", f"{ROOT}/", times=12)

    with resident(folder) as errors:
        wait_for(lambda: all(folder.archived(stream) == ["first"] for stream in STREAMS))
        folder.store.faults.append(refused)
        for stream in STREAMS:
            folder.append(stream, "second")
        wait_for(lambda: refused not in folder.store.faults)
        wait_for(lambda: all(folder.archived(stream) == ["first", "second"] for stream in STREAMS))
        wait_for(lambda: folder.alarms.now == {})
    assert errors == {}
    assert "ship_blocked" in folder.alarms.ever


def test_the_alarm_of_a_log_that_is_moved_away_is_closed(folder: Folder, tmp_path: Path) -> None:
    prepared(folder, damaged_identity, "beta")
    blocked = ("ship_blocked", f"beta/{folder.logs['beta'].id}")
    with resident(folder):
        wait_for(lambda: blocked in folder.alarms.now)
        shutil.move(folder.logs["beta"].path, tmp_path / "away")
        wait_for(lambda: blocked not in folder.alarms.now)


class resident:  # noqa: N801  it reads as a verb
    """`with resident(folder) as errors:` a resident shipper is running; afterwards `errors` is what it returned."""

    def __init__(self, folder: Folder) -> None:
        self._stop = threading.Event()
        self._errors: dict[str, SpoolError] = {}
        self._thread = threading.Thread(target=lambda: self._errors.update(folder.shipper().run(self._stop)))

    def __enter__(self) -> dict[str, SpoolError]:
        self._thread.start()
        return self._errors

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(240)
        assert not self._thread.is_alive()
