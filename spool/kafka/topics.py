"""
The topics that replay needs: made where they are missing, refused by name where they do not fit.

A misfit that Kafka would accept in silence is the dangerous one: a compacted target forgets events, a checkpoint topic
with another number of partitions hides checkpoints.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from spool.clock import Deadline
from spool.errors import KafkaRefused, KafkaUnavailable, TopicRefused
from spool.kafka.client_errors import code_of, explain
from spool.kafka.consumer import cluster_metadata, open_admin
from spool.settings import Settings, StreamSettings

_TIMEOUT_S = 15.0
# The client itself ends a call at its time-out; the wait for that answer must outlast it.
_ANSWER_S = 10.0
# A batch is at most 1,000,000 bytes of records before compression; this is Kafka's own default.
_BATCH_OVERHEAD_BYTES = 1000
# Kafka creates it with the first transaction, never again.
TRANSACTIONS_TOPIC = "__transaction_state"
_TRANSACTIONS_FACTOR = "transaction.state.log.replication.factor"


class TargetTopic(NamedTuple):
    """
    What sending has to know of the stream's topic.

    topic_id  Kafka's own id (KIP-516), another one when a topic of the same name is created again; "" = not known
    """

    name: str
    partitions: int
    message_bytes_max: int
    topic_id: str = ""


class Cluster(NamedTuple):
    """Which Kafka this is, and the stream's topic in it."""

    id: str
    target: TargetTopic


def prepare(kafka: Mapping[str, str], settings: Settings, stream: StreamSettings) -> Cluster:
    """
    Make what is missing, check what is there. TopicRefused, KafkaUnavailable, KafkaRefused.

    Created: the target (LogAppendTime, so that no host's clock matters and no retention deletes old events early), the
    checkpoint topic (compacted, small segments: it is read from its start), the deliveries topic (with its retention).
    """
    admin = open_admin(kafka)
    try:
        names = [stream.topic, settings.checkpoint_topic, settings.deliveries_topic]
        cluster = cluster_metadata(admin, timeout_s=_TIMEOUT_S)
        missing = [topic for topic in _wanted(settings, stream) if topic.topic not in cluster.topics]
        if TRANSACTIONS_TOPIC not in cluster.topics:
            _refuse_impossible_transactions(admin, cluster)
        if missing:
            _create(admin, missing)
            cluster = _list_until_led(admin, names)
        configs = _configs(admin, [ConfigResource(ResourceType.TOPIC, name) for name in names])
        topic_id = _topic_id(admin, stream.topic)
    except (KafkaException, TimeoutError) as error:
        raise explain(error, kafka, "looking at its topics") from error
    partitions = {name: len(cluster.topics[name].partitions) for name in names}
    _check_checkpoint_topic(settings, partitions[settings.checkpoint_topic], configs[settings.checkpoint_topic])
    _check_deliveries_topic(settings, configs[settings.deliveries_topic])
    target = _checked_target(stream, partitions[stream.topic], configs[stream.topic])
    return Cluster(str(cluster.cluster_id), target._replace(topic_id=topic_id))


def demand_answer(kafka: Mapping[str, str]) -> None:
    """Returns where some broker answers within some seconds. KafkaUnavailable, KafkaRefused."""
    try:
        cluster_metadata(open_admin(kafka), timeout_s=min(_TIMEOUT_S, _ANSWER_S))
    except KafkaException as error:
        raise explain(error, kafka, "asking whether it answers") from error


def topic_id_of(kafka: Mapping[str, str], topic: str) -> str:
    """Kafka's own id of a topic; "" where there is no such topic or the broker gives none. KafkaUnavailable."""
    try:
        return _topic_id(open_admin(kafka), topic)
    except (KafkaException, TimeoutError) as error:
        if code_of(error) == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return ""
        raise explain(error, kafka, f"looking at {topic}") from error


def _topic_id(admin: AdminClient, topic: str) -> str:
    answers = admin.describe_topics(TopicCollection([topic]), request_timeout=_TIMEOUT_S)
    uuid = answers[topic].result(_TIMEOUT_S + _ANSWER_S).topic_id
    # A broker from before topic ids answers zeros.
    has_id = uuid is not None and (uuid.get_most_significant_bits() or uuid.get_least_significant_bits())
    return str(uuid) if has_id else ""


def _refuse_impossible_transactions(admin: AdminClient, cluster: ClusterMetadata) -> None:
    """Before the first transaction of a cluster: with too few brokers it would wait for a coordinator without end."""
    broker = next(iter(cluster.brokers))
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    wanted = int(_configs(admin, [resource])[str(broker)].get(_TRANSACTIONS_FACTOR, "1"))
    if wanted > len(cluster.brokers):
        raise KafkaRefused(
            f"Kafka has {len(cluster.brokers)} brokers and {_TRANSACTIONS_FACTOR}={wanted}: no transaction can begin",
            hint=f"start more brokers, or set {_TRANSACTIONS_FACTOR} and transaction.state.log.min.isr to 1",
        )


def _wanted(settings: Settings, stream: StreamSettings) -> list[NewTopic]:
    day_ms = 24 * 3600 * 1000
    return [
        NewTopic(stream.topic, stream.partitions, config={"message.timestamp.type": "LogAppendTime"}),
        NewTopic(
            settings.checkpoint_topic,
            settings.checkpoint_partitions,
            config={
                "cleanup.policy": "compact",
                "segment.bytes": str(16 * 1024 * 1024),
                "segment.ms": str(3600 * 1000),
                "min.cleanable.dirty.ratio": "0.01",
            },
        ),
        NewTopic(
            settings.deliveries_topic,
            1,
            config={"cleanup.policy": "delete", "retention.ms": str(settings.deliveries_retention_days * day_ms)},
        ),
    ]


def _create(admin: AdminClient, topics: list[NewTopic]) -> None:
    for future in admin.create_topics(topics, request_timeout=_TIMEOUT_S).values():
        try:
            future.result(_TIMEOUT_S + _ANSWER_S)
        except KafkaException as error:
            # Another replayer was quicker.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _list_until_led(admin: AdminClient, names: list[str]) -> ClusterMetadata:
    """A new topic is known to the controller first; it can be used when every partition has a leader."""
    deadline = Deadline.after(_TIMEOUT_S)
    while True:
        cluster = cluster_metadata(admin, timeout_s=_TIMEOUT_S)
        topics = [cluster.topics[name] for name in names if name in cluster.topics]
        if len(topics) == len(names) and all(p.leader >= 0 for topic in topics for p in topic.partitions.values()):
            return cluster
        if deadline.expired:
            raise KafkaUnavailable(f"new topics have no leader after {_TIMEOUT_S:.0f} s", hint="see the broker's log")
        time.sleep(0.05)


def _configs(admin: AdminClient, resources: list[ConfigResource]) -> dict[str, dict[str, str]]:
    answers = admin.describe_configs(resources, request_timeout=_TIMEOUT_S)
    return {
        resource.name: {name: entry.value for name, entry in future.result(_TIMEOUT_S + _ANSWER_S).items()}
        for resource, future in answers.items()
    }


def _check_checkpoint_topic(settings: Settings, partitions: int, config: Mapping[str, str]) -> None:
    name = settings.checkpoint_topic
    if partitions != settings.checkpoint_partitions:
        raise TopicRefused(
            f"topic {name} has {partitions} partitions, checkpoint_partitions says {settings.checkpoint_partitions}",
            hint="set checkpoint_partitions to what the topic was made with: another number hides checkpoints",
        )
    if config["cleanup.policy"] != "compact":
        raise TopicRefused(
            f"topic {name} has cleanup.policy={config['cleanup.policy']}, it must be compact",
            hint=f"kafka-configs --alter --topic {name} --add-config cleanup.policy=compact",
        )


def _check_deliveries_topic(settings: Settings, config: Mapping[str, str]) -> None:
    if "compact" in config["cleanup.policy"]:
        raise TopicRefused(
            f"topic {settings.deliveries_topic} has cleanup.policy={config['cleanup.policy']}, it must be delete",
            hint=f"kafka-configs --alter --topic {settings.deliveries_topic} --add-config cleanup.policy=delete",
        )


def _checked_target(stream: StreamSettings, partitions: int, config: Mapping[str, str]) -> TargetTopic:
    if "compact" in config["cleanup.policy"]:
        raise TopicRefused(
            f"topic {stream.topic} has cleanup.policy={config['cleanup.policy']}: it would forget events of stream "
            f"{stream.name}",
            hint="deliver into a topic with cleanup.policy=delete and derive the compacted one from it",
        )
    limit = int(config["max.message.bytes"])
    if limit < 2 * _BATCH_OVERHEAD_BYTES:
        raise TopicRefused(
            f"topic {stream.topic} has max.message.bytes={limit}: almost no event of stream {stream.name} fits",
            hint="raise max.message.bytes; Kafka's default is 1048588",
        )
    if config["message.timestamp.type"] != "LogAppendTime":
        _check_times(stream, config)
    return TargetTopic(stream.topic, partitions, limit)


def _check_times(stream: StreamSettings, config: Mapping[str, str]) -> None:
    """With the event's own time in its record a topic may drop or refuse events that are only old (rule 29)."""
    for name, harmless in (("retention.ms", "-1"), ("message.timestamp.before.max.ms", str(2**63 - 1))):
        if config[name] != harmless:
            raise TopicRefused(
                f"topic {stream.topic} has message.timestamp.type=CreateTime and {name}={config[name]}: events of "
                f"stream {stream.name} that are older when they come would be lost",
                hint=f"kafka-configs --alter --topic {stream.topic} --add-config message.timestamp.type=LogAppendTime",
            )
