"""What aiokafka and confluent-kafka raise, in the words of spool/errors.py."""

from __future__ import annotations

from collections.abc import Mapping

from aiokafka import errors
from confluent_kafka import KafkaError, KafkaException

from spool.errors import KafkaRefused, KafkaUnavailable, SpoolError, TopicRefused

_NOT_ALLOWED = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
    errors.AuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
    errors.SaslAuthenticationFailed,
)
_NOT_ALLOWED_CODES = {
    KafkaError._AUTHENTICATION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
}


def explain(error: BaseException, kafka: Mapping[str, str], doing: str) -> SpoolError:
    """The engine's error for one of a client; what is not known counts as passing."""
    where = kafka.get("bootstrap.servers", "?")
    what = f"Kafka at {where}, {doing}: {str(error) or type(error).__name__}"
    if isinstance(error, _NOT_ALLOWED) or _code(error) in _NOT_ALLOWED_CODES:
        return KafkaRefused(what, hint="check the credentials and ACLs of the connection")
    if isinstance(error, errors.UnknownTopicOrPartitionError) or _code(error) == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return TopicRefused(what, hint="the topic was deleted: see docs/runbooks/kafka-replaced.md")
    return KafkaUnavailable(
        what, hint=f"is the broker at {where} running and reachable? events are held safely until it is"
    )


def _code(error: BaseException) -> int | None:
    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return int(error.args[0].code())
    return None
