"""Announcements from a real topic: read to the end over markers of transactions, again until they are done."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from include.measurements.collect.announcements import Announcement, encode
from include.measurements.collect.kafka_announcements import KafkaAnnouncements
from spool.errors import KafkaUnavailable
from tests.support.private_kafka import KafkaBroker

pytestmark = pytest.mark.stack

TOPIC = "collector_batches_of_a_test"


def test_announcements_are_given_until_they_are_done(kafka_broker: KafkaBroker) -> None:
    client = {"bootstrap.servers": kafka_broker.bootstrap}
    admin = AdminClient(client)
    for made in admin.create_topics([NewTopic(TOPIC, 2, 1)]).values():
        made.result(30)
    producer = Producer({**client, "transactional.id": TOPIC})
    producer.init_transactions(30)

    def announce(*batches: str, commit: bool = True) -> None:
        producer.begin_transaction()
        for number, batch in enumerate(batches):
            value = encode(Announcement("north", batch, "a" * 64))
            producer.produce(TOPIC, value, partition=number % 2)
        producer.flush(30)
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)

    def pending() -> set[str]:
        return {announcement.batch for announcement in KafkaAnnouncements(client, TOPIC).pending("north")}

    assert pending() == set()
    announce("b1", "b2", "b3")
    announce("never", commit=False)
    assert pending() == pending() == {"b1", "b2", "b3"}
    assert KafkaAnnouncements(client, TOPIC).pending("south") == []
    announced = KafkaAnnouncements(client, TOPIC)
    announced.pending("north")
    announce("b4")
    announced.done("north")
    assert pending() == {"b4"}


def test_a_broker_that_is_away_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.measurements.collect.kafka_announcements.CALL_S", 1.0)
    with pytest.raises(KafkaUnavailable):
        KafkaAnnouncements({"bootstrap.servers": "127.0.0.1:1"}, TOPIC).pending("north")
