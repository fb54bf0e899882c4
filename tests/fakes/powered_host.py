"""
A host that appends to one log on a simulated disk, remembers what it was promised, and looks after each accident.

Every event has its own text, so that an event that is missing, comes twice, or stands at another's position is seen.
"""

from __future__ import annotations

import random
import uuid
from pathlib import Path

from spool import clock
from spool.clock import Deadline
from spool.errors import AppendUnknown, FolderRefused, LockTimeout, SpoolFull
from spool.event import Event, ProducerSequence
from spool.format import record_batch
from spool.log.folder import LogFolder, log_folders, segment_files
from spool.log.producer_file import needed_segment
from spool.log.producer_state import advance
from spool.log.reader import read_sealed, tail
from spool.log.shipped import ShippedState, write_shipped
from spool.log.stream_log import StreamLog
from spool.settings import StreamSettings
from tests.fakes.recorded_alarms import RecordedAlarms
from tests.fakes.simulated_disk import Mode, SimulatedDisk

STREAM = StreamSettings(name="events", topic="events", acknowledgement="disk", persistent=True)
REFUSALS = (SpoolFull, FolderRefused, LockTimeout)


class PoweredHost:
    """`root` is durable; the spool folder two levels below it is made by the log itself."""

    def __init__(self, root: Path, *, stream: StreamSettings = STREAM) -> None:
        self.root = root
        root.mkdir()
        self.disk = SimulatedDisk(root)
        self.folder = root / "var" / "spool"
        self.alarms = RecordedAlarms()
        self.promised: dict[tuple[str, int], bytes] = {}
        self.offered: list[bytes] = []
        self.refused: list[bytes] = []
        self.seen: dict[tuple[str, int], bytes] = {}
        self.shipped_until = 0
        # Of each producer the last sequence, its events, and where they were accepted.
        self.units: dict[str, tuple[int, list[bytes], tuple[str, int] | None]] = {}
        self._stream = stream
        self._log: StreamLog | None = None

    @property
    def log(self) -> StreamLog:
        if self._log is None:
            self._log = StreamLog.open(self.folder, self._stream, alarms=self.alarms, disk=self.disk)
        return self._log

    def append(self, *texts: str, group: bool = False) -> str:
        """`accepted`, `refused` or `unknown`."""
        events = [Event(text.encode(), key=b"k", time_ms=1_700_000_000_000) for text in texts]
        self.offered += [event.value for event in events]
        try:
            log, ranges = self.log.append(events, group=group, deadline=Deadline.after(5))
        except AppendUnknown:
            return "unknown"
        except REFUSALS:
            self.refused += [event.value for event in events]
            return "refused"
        offsets = [offset for one in ranges for offset in range(one.first, one.next)]
        assert len(offsets) == len(events)
        for offset, event in zip(offsets, events, strict=True):
            assert (log, offset) not in self.promised, "an offset was given twice"
            self.promised[log, offset] = event.value
        return "accepted"

    def send(self, producer: str, event_count: int = 2) -> str:
        """As an idempotent producer does: the same sequence again until it is accepted, then the next."""
        sequence, values, accepted_at = self.units.get(producer, (0, [], ("", -1)))
        if accepted_at is not None:
            sequence += 1
            values = [f"{producer}-{sequence}-{place}".encode() for place in range(event_count)]
            self.units[producer] = (sequence, values, None)
            self.offered += values
        return self.send_again(producer)

    def send_again(self, producer: str) -> str:
        """The last sequence, accepted or not."""
        sequence, values, accepted_at = self.units[producer]
        events = [Event(value, key=b"k") for value in values]
        try:
            log = self.log
            unit = log.append_once(events, ProducerSequence(producer, sequence, log.id), deadline=Deadline.after(5))
        except AppendUnknown:
            return "unknown"
        except REFUSALS:
            return "refused"
        assert accepted_at in (None, (unit.log, unit.offsets.first)), "a repetition was given other positions"
        assert unit.repeated or accepted_at is None, "a sequence was written twice"
        self.units[producer] = (sequence, values, (unit.log, unit.offsets.first))
        for place, value in enumerate(values):
            self.promised[unit.log, unit.offsets.first + place] = value
        return "accepted"

    def seal(self) -> bool:
        """False where there is nothing to seal, or the disk refuses."""
        try:
            return self.log.seal()
        except REFUSALS:
            return False

    def ship_oldest(self) -> None:
        """As the shipper does: the oldest sealed segment is noted as shipped and removed."""
        try:
            log = self.log
        except REFUSALS:
            return
        files = segment_files(log.path)
        if len(files) < 2 or files[0].state != "sealed":
            return  # never the highest
        oldest = files[0]
        contents = read_sealed(oldest.path)
        try:
            write_shipped(log.path, ShippedState(oldest.segment, contents.next_offset), self.disk)
        except OSError:
            return
        self.shipped_until = contents.next_offset
        if needed_segment(log.path) is not None:
            try:
                advance(LogFolder("events", log.id, log.path), self.disk, oldest.segment + 1)
            except OSError:
                return
        self.disk.unlink(oldest.path)

    def look(self) -> None:
        """A reader follows the open segment: what it saw must stay."""
        self.seen |= self.read()

    def die(self) -> None:
        """The process is gone, the machine runs on."""
        if self._log is not None:
            self._log.close()
        self._log = None
        self.disk.new_process()

    def lose_power(self, mode: Mode, seed: int = 0) -> None:
        self.die()
        self.disk.lose_power(mode, random.Random(seed))
        boot()

    def read(self) -> dict[tuple[str, int], bytes]:
        """Every event on the disk that a reader can see, by log and offset; a double position fails."""
        found: dict[tuple[str, int], bytes] = {}
        for log in log_folders(self.folder):
            for commit in tail(log):
                for record in record_batch.records(commit.frame):
                    assert (log.log, record.offset) not in found, "two events at one position"
                    found[log.log, record.offset] = record.value or b""
        return found

    def check(self, *, torn: bool = False) -> None:
        """
        Recover, write again, read back; nothing promised is missing, nothing came that was refused or twice.

        torn: bytes may be damaged at the end, so that a hole may be suspected there.
        """
        assert self.append("after the accident") == "accepted"
        for producer in self.units:
            assert self.send_again(producer) == "accepted"
            assert self.send(producer) == "accepted"
        self.seal()
        found = self.read()
        self._check_events(found)
        assert len(log_folders(self.folder)) == 1, "a second log was begun"
        path = log_folders(self.folder)[0].path
        files = segment_files(path)
        assert [file.state for file in files] == ["sealed"] * (len(files) - 1) + ["open"], "a segment is never sealed"
        for file in files[:-1]:
            contents = read_sealed(file.path)
            assert contents.sha256 == contents.identity, "a segment is not what was sealed"
            assert torn or contents.holes == (), "a hole where nothing was damaged"
        assert set(self.alarms.ever) <= ({"log_suspected_hole"} if torn else set())
        offsets = sorted(offset for _, offset in found)
        assert torn or offsets == list(range(offsets[0], offsets[0] + len(offsets))), "offsets are not dense"

    def _check_events(self, found: dict[tuple[str, int], bytes]) -> None:
        for (log_id, offset), value in (self.promised | self.seen).items():
            there = found.get((log_id, offset))
            assert there == value or (there is None and offset < self.shipped_until), f"{value!r} is lost: {there!r}"
        values = sorted(found.values())
        assert len(set(values)) == len(values), "an event came twice"
        assert set(values) <= set(self.offered)
        assert not set(values) & set(self.refused), "an event was refused and is there"


def boot() -> None:
    """Another boot id, for every process that asks."""
    clock.BOOT_ID_FILE.write_text(str(uuid.uuid4()), encoding="ascii")
