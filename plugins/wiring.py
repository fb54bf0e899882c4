"""
The composition root of Airflow: from connections and settings files to the rooms below. No logic, no state.

    connection aws_spool    the object store: login and password are the keys; extra: endpoint_url, region_name and
                            service_config.s3.bucket_name (or the variable SPOOL_S3_BUCKET)
    connection kafka_spool  Kafka: extra = client settings, at least bootstrap.servers
    variable SPOOL_FOLDER   this host's spool folder
    config/spool.yml        streams and limits

Nothing is imported from the engine, and no connection is read, before a function here is called: DAG files import
this module at every parse.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spool.audit.alarm_book import AlarmBook
    from spool.audit.verify import VerifyReport
    from spool.intake.client import SpoolClient
    from spool.replay.replayer import Replayer
    from spool.replay.rewind import RewindPlan
    from spool.settings import Settings
    from spool.shipping.shipper import Shipper
    from spool.store.object_store import ObjectStore

AWS_SPOOL = "aws_spool"
KAFKA_SPOOL = "kafka_spool"

# A stable name: the next run takes over the logs of a killed one at once. It is safe because spool_replay has one run
# at a time, and because two of one name would still fence each other.
REPLAY_INSTANCE = "airflow/spool_replay"


def settings() -> Settings:
    """`config/spool.yml`; SettingsError names file and key."""
    from spool import settings as spool_settings

    return spool_settings.load()


def stream_names(choice: str) -> list[str]:
    """One stream, or every stream for `all`; SettingsError names the known ones."""
    from plugins.dag_defaults import ALL_STREAMS

    known = settings()
    return sorted(known.streams) if choice == ALL_STREAMS else [known.stream(choice).name]


def spool_folder() -> Path:
    """The spool folder of this host. DAGs append to, sweep and ship only this one."""
    from spool.errors import SettingsError

    if not (folder := os.environ.get("SPOOL_FOLDER", "")):
        raise SettingsError("SPOOL_FOLDER is not set", hint="set it for every Airflow component; `make up` does")
    return Path(folder)


def connection(connection_id: str) -> Any:
    """The Airflow connection; SettingsError, which is not retried, when it is not defined."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    from spool.errors import SettingsError

    try:
        return BaseHook.get_connection(connection_id)
    except AirflowNotFoundException:
        raise SettingsError(
            f"the connection {connection_id} is not defined",
            hint=f"set AIRFLOW_CONN_{connection_id.upper()}; docs/guides/connections.md says what it holds",
        ) from None


def object_store() -> ObjectStore:
    """The archive, through the provider's S3Hook. No request is made yet; not for use over a fork."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from spool.store.s3_store import S3Store, client_config

    # The stores one runs oneself have no names for buckets in their DNS.
    path_style = bool(connection(AWS_SPOOL).extra_dejson.get("endpoint_url"))
    hook = S3Hook(aws_conn_id=AWS_SPOOL, config=client_config(path_style=path_style))
    return S3Store(hook.get_conn(), _bucket(hook))


def _bucket(hook: Any) -> str:
    from spool.errors import SettingsError

    bucket = os.environ.get("SPOOL_S3_BUCKET", "") or hook.service_config.get("bucket_name", "")
    if not bucket:
        raise SettingsError(
            f"the connection {AWS_SPOOL} names no bucket",
            hint='put {"service_config": {"s3": {"bucket_name": "..."}}} into its extra, or set SPOOL_S3_BUCKET',
        )
    return str(bucket)


def kafka() -> Mapping[str, str]:
    """Client settings of Kafka, from the connection's extra."""
    from spool.errors import SettingsError

    extra = connection(KAFKA_SPOOL).extra_dejson
    if not extra.get("bootstrap.servers"):
        raise SettingsError(
            f"the connection {KAFKA_SPOOL} names no broker",
            hint='put {"bootstrap.servers": "host:port"} into its extra',
        )
    return {str(key): str(value) for key, value in extra.items()}


def alarms(store: ObjectStore) -> AlarmBook:
    """Where conditions are noted: in the object store, on local disk while that is away."""
    from spool.audit.alarm_book import AlarmBook
    from spool.log.local_alarms import LocalAlarms

    return AlarmBook(store, settings().root, local=LocalAlarms(spool_folder()))


def spool_client() -> SpoolClient:
    """Appends to this host's folder. The store is opened only if an append has to ship for itself."""
    from spool.intake.client import SpoolClient

    return SpoolClient(spool_folder(), settings(), store=object_store)


def shipper() -> Shipper:
    """Ships what lies in this host's folder."""
    from spool.shipping.shipper import Shipper

    store = object_store()
    return Shipper(spool_folder(), settings(), store, alarms=alarms(store))


def replayers(streams: Sequence[str]) -> dict[str, Replayer]:
    """One replayer a stream over one store; nothing is asked before they drain."""
    from spool.replay.replayer import Replayer

    known, store, brokers = settings(), object_store(), kafka()
    book = alarms(store)
    return {
        name: Replayer(known, known.stream(name), store, brokers, book, instance=REPLAY_INSTANCE) for name in streams
    }


def verify(stream: str, *, full: bool) -> VerifyReport:
    """Compare archive and Kafka for one stream; opens and closes the alarm of each log."""
    from spool.audit.verify import verify as verify_stream

    known, store = settings(), object_store()
    return verify_stream(known, known.stream(stream), store, kafka(), full=full, alarms=alarms(store))


def plan_rewind(stream: str, log: str, segment: int) -> RewindPlan:
    """What a rewind would do. Changes nothing."""
    from spool.replay.rewind import plan_rewind as plan

    known = settings()
    return plan(known, known.stream(stream), object_store(), kafka(), log=log, to_segment=segment)


def rewind(stream: str, log: str, segment: int, *, reason: str, who: str) -> RewindPlan:
    """Do it, in one Kafka transaction."""
    from spool.replay.rewind import rewind as commit

    known, store = settings(), object_store()
    return commit(
        known, known.stream(stream), store, kafka(), alarms(store), log=log, to_segment=segment, reason=reason, who=who
    )
