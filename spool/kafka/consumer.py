"""
Where clients of confluent-kafka are opened: one spelling of their settings, one set of errors, one wait for leaders.

No consumer of this program joins a group: partitions are assigned by hand, offsets are committed by hand or not at all.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]

from spool.clock import Deadline
from spool.errors import KafkaUnavailable, SettingsError
from spool.kafka.client_errors import code_of

T = TypeVar("T")

CALL_S = 10.0
# A broker that has just started answers these for some seconds, until leaders and coordinators are elected.
ELECTION_S = 30.0
_RETRY_S = 0.1
_ELECTING = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError._UNKNOWN_PARTITION,
}


def open_consumer(
    kafka: Mapping[str, str], group: str, *, committed: bool = True, more: Mapping[str, str | int | bool] | None = None
) -> Consumer:
    """
    A consumer that begins at the earliest record where nothing else is said. SettingsError names a bad setting.

    group      only names the reader: nobody joins it
    committed  False also gives the records of open and aborted transactions
    more       further settings of librdkafka
    """
    own: dict[str, str | int | bool] = {
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed" if committed else "read_uncommitted",
        "log_level": 0,
    }
    return _opened(lambda: Consumer({**kafka, **own, **(more or {})}))


def open_admin(kafka: Mapping[str, str]) -> AdminClient:
    """SettingsError names a bad setting."""
    return _opened(lambda: AdminClient({**kafka, "log_level": 0}))


def cluster_metadata(client: Consumer | AdminClient, topic: str | None = None, *, timeout_s: float) -> ClusterMetadata:
    """
    Brokers and topics as the bootstrap server names them. KafkaException, and KafkaUnavailable where a broker is
    advertised under a host name that this machine cannot resolve: every later call would only time out.
    """
    metadata = client.list_topics(topic, timeout=timeout_s) if topic else client.list_topics(timeout=timeout_s)
    for broker in metadata.brokers.values():
        try:
            socket.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
        except OSError as error:
            address = f"{broker.host}:{broker.port}"
            raise KafkaUnavailable(
                f"Kafka's broker {broker.id} is advertised as {address}, which does not resolve: {error}",
                hint="correct the broker's advertised.listeners, or this machine's name resolution",
            ) from error
    return metadata


def once_elected(call: Callable[[], T], *, within_s: float | None = None) -> T:
    """What `call` returns, asked again while leaders or coordinators are elected. KafkaException after that time."""
    deadline = Deadline.after(ELECTION_S if within_s is None else within_s)
    while True:
        try:
            return call()
        except KafkaException as error:
            if deadline.expired or code_of(error) not in _ELECTING:
                raise
            time.sleep(_RETRY_S)


def _opened(create: Callable[[], T]) -> T:
    try:
        return create()
    except KafkaException as error:
        detail = error.args[0].str() if error.args and isinstance(error.args[0], KafkaError) else str(error)
        raise SettingsError(
            f"Kafka's client refuses its settings: {detail}",
            hint="correct the setting in the connection's extra; librdkafka's CONFIGURATION.md lists them",
        ) from error
