"""Errors of the clients: what a person must fix is terminal and names the setting; our own faults stay our own."""

from __future__ import annotations

import pytest
from aiokafka import errors
from confluent_kafka import KafkaError, KafkaException

from spool.errors import KafkaRefused, KafkaUnavailable, OperatorNeeded, SpoolError, TopicRefused
from spool.kafka.client_errors import explain

KAFKA = {"bootstrap.servers": "broker:9092"}


def explained(error: BaseException) -> SpoolError:
    return explain(error, KAFKA, "sending")


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (errors.InvalidTransactionTimeout(), "transaction.max.timeout.ms"),
        (KafkaException(KafkaError(KafkaError.INVALID_TRANSACTION_TIMEOUT)), "transaction.max.timeout.ms"),
        (errors.InvalidReplicationFactorError(), "default.replication.factor"),
        (errors.PolicyViolationError(), "create.topic.policy.class.name"),
    ],
)
def test_a_wrong_setting_of_the_broker_is_terminal_and_named(error, setting):
    found = explained(error)
    assert isinstance(found, KafkaRefused)
    assert setting in found.hint


@pytest.mark.parametrize("error", [errors.InvalidTopicError(), errors.UnknownTopicOrPartitionError()])
def test_a_topic_that_cannot_be_is_refused(error):
    assert isinstance(explained(error), TopicRefused)


@pytest.mark.parametrize("error", [AssertionError("a bug"), TypeError("a bug"), KeyError("offset")])
def test_a_fault_of_this_program_is_not_taken_for_an_outage(error):
    with pytest.raises(type(error)):
        explained(error)


@pytest.mark.parametrize(
    "error",
    [errors.NotCoordinatorError(), TimeoutError("no answer"), ConnectionResetError(), errors.RequestTimedOutError()],
)
def test_what_passes_by_itself_is_transient_and_names_the_broker(error):
    found = explained(error)
    assert isinstance(found, KafkaUnavailable)
    assert "broker:9092" in str(found)


def test_an_error_of_the_engine_stays_as_it_is():
    error = OperatorNeeded("look")
    assert explained(error) is error
