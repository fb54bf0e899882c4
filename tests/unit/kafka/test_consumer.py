"""Opening clients of confluent-kafka: bad settings are named, elections are waited for, hosts must resolve."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException

from spool.errors import KafkaUnavailable, SettingsError
from spool.kafka.consumer import cluster_metadata, once_elected, open_admin, open_consumer


class Answers:
    """Raises each Kafka error code in turn, then returns `value`."""

    def __init__(self, *codes: int, value: str = "committed") -> None:
        self.codes, self.value, self.calls = list(codes), value, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.codes:
            raise KafkaException(KafkaError(self.codes.pop(0)))
        return self.value


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    ],
)
def test_an_election_right_after_a_broker_s_start_is_waited_for(code):
    answers = Answers(code, code)
    assert once_elected(answers) == "committed"
    assert answers.calls == 3


def test_an_election_without_end_is_raised_after_its_time():
    with pytest.raises(KafkaException):
        once_elected(Answers(*[KafkaError.NOT_COORDINATOR] * 100), within_s=0.3)


def test_another_error_is_not_waited_for():
    answers = Answers(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException):
        once_elected(answers)
    assert answers.calls == 1


@pytest.mark.parametrize("opened", [lambda kafka: open_consumer(kafka, "g"), open_admin])
def test_a_setting_that_the_client_refuses_is_named(opened):
    with pytest.raises(SettingsError, match=r"no\.such.setting"):
        opened({"bootstrap.servers": "b:1", "no.such.setting": "x"})


def test_a_broker_that_is_advertised_under_an_unknown_host_is_an_outage_that_names_the_address(monkeypatch):
    def unknown(*_arguments, **_options):
        raise OSError("Name or service not known")

    monkeypatch.setattr("spool.kafka.consumer.socket.getaddrinfo", unknown)
    brokers = {1: SimpleNamespace(id=1, host="kafka.internal", port=9092)}
    client = SimpleNamespace(list_topics=lambda *_, **__: SimpleNamespace(brokers=brokers))
    with pytest.raises(KafkaUnavailable, match=r"kafka\.internal:9092"):
        cluster_metadata(client, timeout_s=1)
