"""
Which dead letters took effect: the newest committed delivery of their offsets named them as skipped (rule 25).

A letter that no delivery names is void, and one that a later delivery, of a rewind, did not skip was sent after all:
neither can be requeued, or its event would come twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from spool.errors import CorruptRecord, LetterRefused
from spool.event import Position
from spool.kafka.topic_reader import partitions_of, read_committed
from spool.replay.checkpoint import Checkpoint, CheckpointKey, CheckpointReader, Checkpoints
from spool.replay.deliveries import Delivery, decode_delivery
from spool.settings import Settings


class _Look(NamedTuple):
    """
    checkpoints  of all logs, read before the deliveries: what they have passed is in `skips`
    skips        by checkpoint key, the offsets whose newest delivery skipped them
    damaged      by checkpoint key, what cannot be read
    is_whole     nothing of the deliveries has expired
    """

    checkpoints: Checkpoints
    skips: Mapping[bytes, set[int]]
    damaged: Mapping[bytes, CorruptRecord]
    is_whole: bool

    def covers(self, key: CheckpointKey, now: Checkpoint, offsets: range) -> bool:
        """Whether the deliveries of these offsets, since the last rewind, were all read."""
        then = self.checkpoints.of(key)
        return then is not None and then.generation == now.generation and then.next >= offsets.stop


class LetterEffects:
    """
    For one run over many letters: the deliveries are read once, and again only after a rewind. The checkpoint is read
    for each letter, so that a rewind is never missed.
    """

    def __init__(self, settings: Settings, kafka: Mapping[str, str]) -> None:
        self._settings, self._kafka = settings, kafka
        self._checkpoints = CheckpointReader(kafka, settings.checkpoint_topic, settings.checkpoint_partitions)
        self._seen: _Look | None = None

    def demand(self, stream: str, log: str, offsets: range) -> None:
        """
        LetterRefused unless the newest committed delivery of each offset skipped it.

        CorruptRecord where a note of this log cannot be read; KafkaUnavailable.
        """
        key = CheckpointKey(self._settings.stream(stream).topic, stream, log)
        name = str(Position(stream, log, offsets.start))
        checkpoint = self._checkpoints.read(key)
        if checkpoint is None:
            raise LetterRefused(f"{name}: nothing of its log was delivered", hint="`stats` shows how far replay is")
        if checkpoint.next < offsets.stop:
            raise LetterRefused(
                f"{name} comes again by a rewind, which has not reached it yet",
                hint="wait until replay has passed it: `stats` shows how far it is",
            )
        look = self._seen
        if look is None or not look.covers(key, checkpoint, offsets):
            look = self._seen = self._look()
        if error := look.damaged.get(key.encode()):
            raise error
        if not look.skips.get(key.encode(), set()).issuperset(offsets):
            raise _void(name) if look.is_whole else _unproven(name, self._settings)

    def _look(self) -> _Look:
        checkpoints = self._checkpoints.read_all()
        topic = self._settings.deliveries_topic
        ends = partitions_of(self._kafka, topic)
        damaged: dict[bytes, CorruptRecord] = {}

        def deliveries() -> Iterator[tuple[bytes, Delivery]]:
            for message in read_committed(self._kafka, topic, ends):
                key = message.key() or b""
                try:
                    yield key, decode_delivery(message.value() or b"", f"{topic}/0 at {message.offset()}")
                except CorruptRecord as error:
                    damaged[key] = error

        skips = skipped_last(deliveries())
        return _Look(checkpoints, skips, damaged, is_whole=all(marks.low == 0 for marks in ends.values()))


def skipped_last(deliveries: Iterable[tuple[bytes, Delivery]]) -> dict[bytes, set[int]]:
    """The offsets of each log whose last delivery skipped them; grows with the letters, not with the deliveries."""
    skips: dict[bytes, set[int]] = {}
    for key, delivery in deliveries:
        of_log = skips.get(key)
        if of_log:
            of_log.difference_update(
                [offset for offset in of_log if delivery.first_offset <= offset < delivery.next_offset]
            )
        if delivery.skipped:
            skips.setdefault(key, set()).update(delivery.skipped)
    return skips


def _void(name: str) -> LetterRefused:
    return LetterRefused(
        f"{name} is void: no committed delivery skipped it, so its event was sent",
        hint="nothing to do: `verify --full` shows that the event is in Kafka",
    )


def _unproven(name: str, settings: Settings) -> LetterRefused:
    return LetterRefused(
        f"{name} cannot be proven: {settings.deliveries_topic} keeps {settings.deliveries_retention_days} days, and no "
        "delivery in it skipped the letter",
        hint="look in the topic whether the event is there; if not, append its payload as a new event",
    )
