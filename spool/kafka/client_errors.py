"""
What aiokafka and confluent-kafka raise, in the words of spool/errors.py.

    this client may not             KafkaRefused      credentials, ACLs
    the topic does not fit          TopicRefused      deleted, a name that Kafka does not take
    a broker's setting is wrong     KafkaRefused      named in the hint
    anything else of Kafka          KafkaUnavailable  an outage, an election, a slow answer
    not of Kafka                    nothing: a fault of this program stays what it is

REFUSALS are what Kafka answers to a record that it will never take: replay makes dead letters of those.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiokafka import errors
from confluent_kafka import KafkaError, KafkaException

from spool.errors import KafkaRefused, KafkaUnavailable, SpoolError, TopicRefused


class InvalidRecord(errors.BrokerResponseError):  # type: ignore[misc]
    """Kafka's error 87, missing in aiokafka's table."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The record has failed the validation on the broker and hence was rejected."


class TransactionalIdNotFound(errors.BrokerResponseError):  # type: ignore[misc]
    """Kafka's error 105, missing in aiokafka's table."""

    errno = 105
    message = "TRANSACTIONAL_ID_NOT_FOUND"
    description = "The transactional id could not be found."


class ProducerFenced90(errors.ProducerFenced):  # type: ignore[misc]
    """Kafka's error 90, missing in aiokafka's table: a newer producer has the transactional id."""

    errno = 90
    message = "PRODUCER_FENCED"
    description = "There is a newer producer with the same transactional id."


for _error in (InvalidRecord, ProducerFenced90, TransactionalIdNotFound):
    errors.kafka_errors.setdefault(_error.errno, _error)

# What Kafka says of a record that it will never take: too large (10, 18), invalid timestamp (32), invalid record (87).
REFUSALS = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidTimestampError,
    InvalidRecord,
)
FENCED = (errors.ProducerFenced, errors.InvalidProducerEpoch)

_NOT_ALLOWED = {
    KafkaError._AUTHENTICATION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError.ILLEGAL_SASL_STATE,
}
# Codes of Kafka that stay as they are until somebody changes a setting, and which one.
_BROKER_SETTINGS = {
    KafkaError.INVALID_TRANSACTION_TIMEOUT: "raise the broker's transaction.max.timeout.ms to at least 60000",
    KafkaError.INVALID_REPLICATION_FACTOR: "the broker's default.replication.factor is above its number of brokers",
    KafkaError.POLICY_VIOLATION: "the broker's create.topic.policy.class.name forbids it: create it by hand",
    KafkaError.INVALID_CONFIG: "the broker does not take a setting of the topic: create it by hand",
    KafkaError.UNSUPPORTED_VERSION: "the broker is older than this program's clients: upgrade it",
}
_BAD_TOPIC = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: "the topic was deleted: see docs/runbooks/kafka-replaced.md",
    KafkaError.TOPIC_EXCEPTION: "Kafka takes letters, digits, '.', '_' and '-', at most 249: correct config/spool.yml",
}
_NEEDS_TLS_OR_SASL = (errors.AuthenticationFailedError,)
OF_KAFKA = (errors.KafkaError, KafkaException, TimeoutError, OSError)


def explain(error: BaseException, kafka: Mapping[str, str], doing: str) -> SpoolError:
    """The engine's error for one of a client; an error that is not of Kafka is raised as it is."""
    if isinstance(error, SpoolError):
        return error
    if not isinstance(error, OF_KAFKA):
        raise error
    where = kafka.get("bootstrap.servers", "?")
    code = code_of(error)
    what = f"Kafka at {where}, {doing}: {str(error) or type(error).__name__}"
    if code in _NOT_ALLOWED or isinstance(error, _NEEDS_TLS_OR_SASL):
        return KafkaRefused(what, hint="check the credentials and ACLs of the connection")
    if code in _BAD_TOPIC:
        return TopicRefused(what, hint=_BAD_TOPIC[code])
    if code in _BROKER_SETTINGS:
        return KafkaRefused(what, hint=_BROKER_SETTINGS[code])
    return KafkaUnavailable(
        what, hint=f"is the broker at {where} running and reachable? events are held safely until it is"
    )


def code_of(error: BaseException) -> int | None:
    """Kafka's error code, positive for one of the broker; None where the error has none."""
    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return int(error.args[0].code())
    number = getattr(error, "errno", None)
    return number if isinstance(error, errors.BrokerResponseError) and isinstance(number, int) else None
