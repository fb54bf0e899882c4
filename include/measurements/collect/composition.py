"""Puts one sync together: the transport a collector asks for, its folders, the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from include.common.emit import Emit
from include.counts.ledger import StageLedger
from include.measurements.collect import pipeline
from include.measurements.collect.announcements import AnnouncedTransport, Announcements
from include.measurements.collect.config import Collector, LocalFolder
from include.measurements.collect.drop_folder import DropFolder
from include.measurements.collect.places import Places
from include.measurements.collect.rsync_transport import RsyncTransport
from include.measurements.collect.sync_summary import SyncSummary
from include.measurements.collect.transport import Transport
from spool.errors import SettingsError

OpenAnnouncements = Callable[[], Announcements]


def sync_one(
    collector: Collector,
    state: Path,
    ledger: StageLedger,
    emit: Emit,
    announcements: OpenAnnouncements | None = None,
) -> SyncSummary:
    """Sync one collector into the state folder `state`; see pipeline.py for what is durable when it returns."""
    opened = _announcements(collector, announcements)
    transport = transport_of(collector, opened)
    summary = pipeline.sync(collector, transport, Places.of(state, collector.id), ledger, emit)
    if opened is not None:
        opened.done(collector.id)
    return summary


def transport_of(collector: Collector, announcements: Announcements | None = None) -> Transport:
    """The transport that the collector's block names."""
    source = collector.source
    if isinstance(source, LocalFolder):
        return DropFolder(source.folder)
    pull = RsyncTransport(collector.id, source)
    if source.transport == "announced" and announcements is not None:
        return AnnouncedTransport(collector.id, pull, announcements)
    return pull


def _announcements(collector: Collector, open_announcements: OpenAnnouncements | None) -> Announcements | None:
    if collector.source.transport != "announced":
        return None
    if open_announcements is None:
        raise SettingsError(
            f"{collector.id} announces its batches, but nothing reads announcements here",
            hint="run it from Airflow, or give --announcements FILE",
        )
    return open_announcements()
