"""
What a log remembers of its idempotent producers, and what an append under a sequence may be. Pure.

    the next sequence (the last + 1, or 1 of a new producer)   written
    the last sequence again, with the same events              the positions it got, nothing is written
    the last sequence with other events                        refused: the producer went back, or mixes things up
    an older one, or one that leaves a gap                     refused, naming what is expected

Clients are forgotten a day after their last append, and when there are too many; a producer that is forgotten begins
at 1 again. Sources (files, outboxes, dead letters) have no other memory than this one and are kept until they release
their entry.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aiokafka.record.util import calc_crc32c

from spool.errors import EventRefused, ProducerConflict
from spool.event import Event, OffsetRange
from spool.format.position_header import Unit

CLIENT_KEPT_MS = 24 * 3600 * 1000
CLIENTS_MAX = 100_000
PRODUCER_BYTES_MAX = 200
SEQUENCE_MAX = 2**63 - 1
# Producers that begin with one of these are sources: their entries never age.
SOURCES = ("outbox/", "datasync/", "dead_letter/", "fork/", "file/", "folder/", "s3/")
FIRST_SEQUENCE = 1


class Entry(NamedTuple):
    """The last append of a producer: where it is, and what it was."""

    sequence: int
    log: str
    first: int
    event_count: int
    checksum: int
    time_ms: int

    @property
    def offsets(self) -> OffsetRange:
        return OffsetRange(self.first, self.first + self.event_count)


class ProducerTable:
    """
    The last entry of each producer.

    inherited: earlier logs of this folder whose entries are in here too, so that what they lack was never written
    """

    def __init__(self, entries: dict[str, Entry] | None = None, inherited: Iterable[str] = ()) -> None:
        self.entries = entries or {}
        self.inherited = frozenset(inherited)

    def look_up(self, unit: Unit) -> Entry | None:
        """The entry of a unit that is written already, None for one to write. ProducerConflict for all others."""
        entry = self.entries.get(unit.producer)
        expected = FIRST_SEQUENCE if entry is None else entry.sequence + 1
        if unit.sequence == expected:
            return None
        if entry is None or unit.sequence != entry.sequence:
            raise ProducerConflict(
                f"producer {unit.producer} sends sequence {unit.sequence}, expected is {expected}"
                + (f" or {entry.sequence} again" if entry else ": it is not known, or was forgotten"),
                hint="one sender per producer, no gaps in sequences; a sender restored from a backup begins as another "
                "producer, once it is clear what it had sent",
            )
        if (entry.event_count, entry.checksum) != (unit.event_count, unit.checksum):
            raise ProducerConflict(
                f"producer {unit.producer} sends sequence {unit.sequence} again, with other events than before",
                hint="was the sender restored from a backup? Its events under this sequence are not the ones written",
            )
        return entry

    def note(self, unit: Unit, log: str, first: int) -> None:
        """A unit that is durable. One that came to the log later than its successors (a fork moved it) is no news."""
        entry = self.entries.get(unit.producer)
        if entry is None or unit.sequence >= entry.sequence:
            self.entries[unit.producer] = Entry(
                unit.sequence, log, first, unit.event_count, unit.checksum, unit.time_s * 1000
            )

    def release(self, producer: str) -> bool:
        """Forget a source that cannot be offered again; whether there was an entry."""
        return self.entries.pop(producer, None) is not None

    def age(self, now_ms: int) -> None:
        """Forget clients that are a day old, and the oldest where there are too many."""
        clients = sorted(
            (entry.time_ms, producer) for producer, entry in self.entries.items() if not producer.startswith(SOURCES)
        )
        for place, (time_ms, producer) in enumerate(clients):
            if time_ms < now_ms - CLIENT_KEPT_MS or place < len(clients) - CLIENTS_MAX:
                del self.entries[producer]


def unit_of(events: Sequence[Event], producer: str, sequence: int, time_s: int, *, group: bool = False) -> Unit:
    """What is noted of an append beside its events. EventRefused for a name or number that fits nowhere."""
    name = producer.encode() if producer.isprintable() else b""
    if not 0 < len(name) <= PRODUCER_BYTES_MAX:
        raise EventRefused(
            f"{producer!r} cannot name a producer", hint=f"1 to {PRODUCER_BYTES_MAX} printable characters"
        )
    if not FIRST_SEQUENCE <= sequence <= SEQUENCE_MAX:
        raise EventRefused(f"{sequence} cannot be a sequence", hint=f"{FIRST_SEQUENCE}, then 1 more with each append")
    return Unit(producer, sequence, len(events), checksum(events), time_s, group)


def checksum(events: Sequence[Event]) -> int:
    """
    CRC-32C over keys, values and their sizes: detects a sender that went back in time, not a malicious one.

    Ids and times are left out: a client that leaves them to the spool gets new ones with each attempt. Not zlib's:
    that one lets go of the interpreter's lock, and getting it back costs more than the sum.
    """
    values, keys = [event[0] for event in events], [event[1] for event in events]
    sizes = array("q", map(len, values))
    sizes.extend([-1 if key is None else len(key) for key in keys])
    return int(calc_crc32c(b"".join([sizes.tobytes(), *[key for key in keys if key], *values])))
