"""Places of dead letters for the contract suite: each puts letters of its own kind and shows what was sent again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from spool.dead_letters.port import DeadLetters
from spool.dead_letters.requeue import WayBack
from spool.dead_letters.store import RefusedRecord, StoreDeadLetters
from spool.errors import LetterRefused
from spool.event import Event
from spool.format import record_batch
from spool.format.event_record import encode
from spool.format.position_header import ArchivedPosition, encode_archived
from spool.format.record_batch import Record
from spool.format.relayout import ArchivedRecord
from spool.intake.client import SpoolClient
from spool.log.folder import log_folders
from spool.log.reader import tail
from spool.settings import Settings, StreamSettings
from spool.store.object_store import ObjectStore

ROOT, STREAM, LOG = "r", "events", "oldlog"
SETTINGS = Settings(
    ROOT, "checkpoints", 1, "deliveries", 1, {STREAM: StreamSettings(STREAM, STREAM, 1, "disk", persistent=True)}
)


class Place(Protocol):
    letters: DeadLetters[Any]

    def put(self, number: int, reason: str = "10 MESSAGE_TOO_LARGE") -> str:
        """A letter with the payload `payload <number>`; its id."""
        ...

    def sent(self) -> list[str]:
        """The payloads that were sent again, in their order."""
        ...

    def again(self) -> Place:
        """The same place, as another process opens it."""
        ...


class SkippedOffsets:
    """Effects by hand: every offset of a log is in effect but those in `void`."""

    def __init__(self) -> None:
        self.void: set[int] = set()
        self.before_each: Callable[[], object] = lambda: None

    def demand(self, stream: str, log: str, offsets: range) -> None:
        self.before_each()
        if not self.void.isdisjoint(offsets):
            raise LetterRefused(f"{stream}/{log}/{offsets.start} is void", hint="")


def refused(event: Event, offset: int, group: tuple[int, int] | None = None, *, log: str = LOG) -> RefusedRecord:
    """The event as the archive has it at an offset."""
    [(time_ms, key, value, headers)] = encode([event], 10**9)
    first, size = group or (offset, 1)
    position = ArchivedPosition(log, offset, 0, first, size)
    builder = record_batch.builder(size_max=1 << 24)
    builder.append(0, time_ms, key, value, [*headers, ("spool", encode_archived(position))])
    [record] = record_batch.records(bytes(builder.build()))
    return RefusedRecord(STREAM, STREAM, ArchivedRecord(position, record))


class StorePlace:
    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.client = SpoolClient(folder, SETTINGS)
        self.effects = SkippedOffsets()
        self.letters = StoreDeadLetters(store, ROOT, WayBack(self.effects, self.client))

    def put(self, number: int, reason: str = "10 MESSAGE_TOO_LARGE") -> str:
        event = Event(
            f"payload {number}".encode(), key=b"k", id=f"id{number}", type="t", source="s", time_ms=1 + number
        )
        return self.letters.put(refused(event, number), reason)

    def put_group(self, first: int, size: int) -> list[str]:
        events = [Event(f"payload {first + n}".encode(), key=b"k", id=f"id{first + n}") for n in range(size)]
        items = [refused(event, first + n, (first, size)) for n, event in enumerate(events)]
        return [self.letters.put(item, "10 MESSAGE_TOO_LARGE") for item in items]

    def records(self) -> list[Record]:
        return [
            record
            for log in log_folders(self.folder)
            for commit in tail(log)
            for record in record_batch.records(commit.frame)
        ]

    def sent(self) -> list[str]:
        return [(record.value or b"").decode() for record in self.records()]

    def again(self) -> StorePlace:
        return StorePlace(self.store, self.folder)
