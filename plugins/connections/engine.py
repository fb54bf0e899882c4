"""
The engine's parts, put together from the connections and `config/spool.yml` (streams and limits).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plugins.connections import host_folders, kafka
from plugins.connections.store import object_store

if TYPE_CHECKING:
    from spool.audit.alarm_book import AlarmBook
    from spool.audit.verify_report import VerifyReport
    from spool.intake.client import SpoolClient
    from spool.replay.replayer import Replayer
    from spool.replay.rewind import RewindPlan
    from spool.settings import Settings
    from spool.shipping.shipper import Shipper
    from spool.store.object_store import ObjectStore

ALL_STREAMS = "all"

# A stable name: the next run takes over the logs of a killed one at once. It is safe because spool_replay has one run
# at a time, and because two of one name would still fence each other.
REPLAY_INSTANCE = "airflow/spool_replay"


def settings() -> Settings:
    """`config/spool.yml`; SettingsError names file and key."""
    from spool import settings as spool_settings

    return spool_settings.load()


def stream_names(choice: str) -> list[str]:
    """One stream, or every stream for `all`; SettingsError names the known ones."""
    known = settings()
    return sorted(known.streams) if choice == ALL_STREAMS else [known.stream(choice).name]


def alarms(store: ObjectStore) -> AlarmBook:
    """Where conditions are noted: in the object store, on local disk while that is away."""
    from spool.audit.alarm_book import AlarmBook
    from spool.log.local_alarms import LocalAlarms

    return AlarmBook(store, settings().root, local=LocalAlarms(host_folders.spool_folder()))


def spool_client() -> SpoolClient:
    """Appends to this host's folder. The store is opened only if an append has to ship for itself."""
    from spool.intake.client import SpoolClient

    return SpoolClient(host_folders.spool_folder(), settings(), store=object_store)


def shipper() -> Shipper:
    """Ships the segments of this host's folder."""
    from spool.shipping.shipper import Shipper

    store = object_store()
    return Shipper(host_folders.spool_folder(), settings(), store, alarms=alarms(store))


def replayers(streams: Sequence[str]) -> dict[str, Replayer]:
    """One replayer per stream over one store; no request is made before they drain."""
    from spool.replay.replayer import Replayer

    known, store, brokers = settings(), object_store(), kafka.client_settings()
    book = alarms(store)
    return {
        name: Replayer(known, known.stream(name), store, brokers, book, instance=REPLAY_INSTANCE) for name in streams
    }


def verify(stream: str, *, full: bool) -> VerifyReport:
    """Compare archive and Kafka for one stream; opens and closes the alarm of each log."""
    from spool.audit.verify import verify as verify_stream

    known, store = settings(), object_store()
    return verify_stream(known, known.stream(stream), store, kafka.client_settings(), full=full, alarms=alarms(store))


def plan_rewind(stream: str, log: str, segment: int) -> RewindPlan:
    """What a rewind would do. Changes nothing."""
    from spool.replay.rewind import plan_rewind as plan

    known = settings()
    return plan(known, known.stream(stream), object_store(), kafka.client_settings(), log=log, to_segment=segment)


def rewind(stream: str, log: str, segment: int, *, reason: str, who: str) -> RewindPlan:
    """Do it, in one Kafka transaction."""
    from spool.replay.rewind import rewind as commit

    known, store, brokers = settings(), object_store(), kafka.client_settings()
    return commit(
        known, known.stream(stream), store, brokers, alarms(store), log=log, to_segment=segment, reason=reason, who=who
    )
