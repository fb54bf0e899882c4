from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError

from include.measurements.collect import __main__ as command
from include.measurements.collect.announcements import (
    Announcement,
    AnnouncementFile,
    AnnouncementRefused,
    announcement_of,
    decode,
    encode,
)
from include.measurements.collect.kafka_announcements import KafkaAnnouncements
from spool.errors import KafkaUnavailable
from spool.kafka import consumer

ONE = Announcement("north", "b1", "a" * 64)


def test_an_announcement_survives_the_stream() -> None:
    assert decode(encode(ONE)) == ONE


@pytest.mark.parametrize(
    "value",
    [
        b"", b"x", b"[]", b"{}", b"null",
        json.dumps({**ONE._asdict(), "batch": "../b"}).encode(),
        json.dumps({**ONE._asdict(), "collector": "-e"}).encode(),
        json.dumps({**ONE._asdict(), "manifest_sha256": "A" * 64}).encode(),
        json.dumps({**ONE._asdict(), "manifest_sha256": 7}).encode(),
    ],
)  # fmt: skip
def test_anything_else_is_refused(value: bytes) -> None:
    with pytest.raises(AnnouncementRefused):
        decode(value)


def test_the_command_prints_what_the_stream_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = tmp_path / "outgoing" / "b1"
    batch.mkdir(parents=True)
    (batch / "r").write_bytes(b"1")
    assert command.main(["announce", "north", "b1", str(tmp_path)]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert decode(line.encode()) == announcement_of(
        "north", "b1", {"r": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"}
    )


class Message:
    def __init__(self, partition: int, offset: int, value: bytes = b"", code: int | None = None) -> None:
        self._fields = partition, offset, value
        self._error = KafkaError(code) if code is not None else None

    def error(self) -> KafkaError | None:
        return self._error

    def partition(self) -> int:
        return self._fields[0]

    def offset(self) -> int:
        return self._fields[1]

    def value(self) -> bytes:
        return self._fields[2]

    def topic(self) -> str:
        return "collector_batches"


class FakeConsumer:
    """A topic of two partitions; the last offset of each is a marker of a transaction that no reader is given."""

    log: ClassVar[dict[int, list[bytes]]] = {}
    committed_offsets: ClassVar[dict[int, int]] = {}
    silent = False
    closed: ClassVar[int] = 0

    def __init__(self, settings: dict[str, Any]) -> None:
        assert settings["enable.auto.commit"] is False
        self._queue: list[Message] = []

    def list_topics(self, topic: str, timeout: float) -> Any:
        partitions = dict.fromkeys(self.log)
        topics = {topic: type("Topic", (), {"partitions": partitions, "error": None})}
        return type("Metadata", (), {"topics": topics, "brokers": {}})

    def committed(self, wanted: list[Any], timeout: float) -> list[Any]:
        for place in wanted:
            place.offset = self.committed_offsets.get(place.partition, -1001)
        return wanted

    def assign(self, places: list[Any]) -> None:
        for place in places:
            events = self.log[place.partition]
            start = max(0, place.offset)
            self._queue += [Message(place.partition, n, events[n]) for n in range(start, len(events))]
            self._queue.append(Message(place.partition, len(events) + 1, code=KafkaError._PARTITION_EOF))

    def poll(self, timeout: float) -> Message | None:
        return self._queue.pop(0) if self._queue and not self.silent else None

    def commit(self, offsets: list[Any], asynchronous: bool) -> None:
        type(self).committed_offsets.update({place.partition: place.offset for place in offsets})

    def close(self) -> None:
        type(self).closed += 1


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> type[FakeConsumer]:
    monkeypatch.setattr(consumer, "Consumer", FakeConsumer)
    FakeConsumer.log = {
        0: [encode(ONE), b"garbage"],
        1: [encode(ONE._replace(collector="south")), encode(ONE._replace(batch="b2"))],
    }
    FakeConsumer.committed_offsets = {}
    FakeConsumer.silent = False
    return FakeConsumer


def test_announcements_are_read_to_the_end_until_they_are_done(topic: type[FakeConsumer]) -> None:
    announced = KafkaAnnouncements({}, "collector_batches")
    assert announced.pending("north") == [ONE, ONE._replace(batch="b2")]
    assert KafkaAnnouncements({}, "collector_batches").pending("north") == [ONE, ONE._replace(batch="b2")]
    announced.done("north")
    assert topic.committed_offsets == {0: 3, 1: 3}
    assert KafkaAnnouncements({}, "collector_batches").pending("north") == []


def test_what_is_no_announcement_is_passed_over_and_its_place_named(
    topic: type[FakeConsumer], caplog: pytest.LogCaptureFixture
) -> None:
    KafkaAnnouncements({}, "collector_batches").pending("north")
    assert "collector_batches/0 at 1" in caplog.text
    assert "garbage" not in caplog.text


def test_a_broker_that_does_not_answer_is_an_outage_and_commits_nothing(topic: type[FakeConsumer]) -> None:
    topic.silent = True
    announced = KafkaAnnouncements({}, "collector_batches")
    with pytest.raises(KafkaUnavailable):
        announced.pending("north")
    announced.done("north")
    assert topic.committed_offsets == {}


def test_a_line_that_is_no_announcement_is_passed_over_and_its_number_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "announced"
    file.write_bytes(b"\n".join((encode(ONE), b"garbage", b"[" * 100_000, encode(ONE._replace(batch="b2")), b"")))
    assert [a.batch for a in AnnouncementFile(file).pending("north")] == [ONE.batch, "b2"]
    assert "line 2" in caplog.text
    assert "garbage" not in caplog.text
