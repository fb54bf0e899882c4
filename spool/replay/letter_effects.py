"""
Which dead letters took effect: the newest committed delivery of their offsets named them as skipped (rule 25).

A letter that no delivery names is void, and one that a later delivery, of a rewind, did not skip was sent after all:
neither can be requeued, or its event would come twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from spool.errors import LetterRefused
from spool.kafka.topic_reader import partitions_of, read_committed
from spool.replay.checkpoint import CheckpointKey, CheckpointReader
from spool.replay.deliveries import Delivery, decode_delivery
from spool.settings import Settings


class _Skips(NamedTuple):
    """By checkpoint key, the offsets whose newest delivery skipped them. is_whole: nothing of the topic has expired."""

    of: Mapping[bytes, set[int]]
    is_whole: bool


class LetterEffects:
    """The deliveries are read once, when they are first asked for; checkpoints too. Not for a long-lived process."""

    def __init__(self, settings: Settings, kafka: Mapping[str, str]) -> None:
        self._settings, self._kafka = settings, kafka
        self._skips: _Skips | None = None
        self._checkpoints = CheckpointReader(kafka, settings.checkpoint_topic, settings.checkpoint_partitions)

    def demand(self, stream: str, log: str, offsets: range) -> None:
        """LetterRefused unless the newest committed delivery of each offset skipped it. KafkaUnavailable."""
        key = CheckpointKey(self._settings.stream(stream).topic, stream, log)
        name = f"{stream}/{log}/{offsets.start}"
        skips = self._read()
        if not skips.of.get(key.encode(), set()).issuperset(offsets):
            raise _void(name) if skips.is_whole else _unproven(name, self._settings)
        checkpoint = self._checkpoints.read_decided(key)
        if checkpoint is not None and checkpoint.next < offsets.stop:
            raise LetterRefused(
                f"{name} comes again by a rewind, which has not reached it yet",
                hint="wait until replay has passed it: `stats` shows how far it is",
            )

    def _read(self) -> _Skips:
        if self._skips is None:
            topic = self._settings.deliveries_topic
            ends = partitions_of(self._kafka, topic)
            messages = read_committed(self._kafka, topic, ends)
            skips = skipped_last(
                (message.key() or b"", decode_delivery(message.value() or b"", f"{topic}/0 at {message.offset()}"))
                for message in messages
            )
            self._skips = _Skips(skips, is_whole=all(marks.low == 0 for marks in ends.values()))
        return self._skips


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
