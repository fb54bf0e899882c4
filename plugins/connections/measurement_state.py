"""
What the tasks share that move measurement reports: the ledger, the stream of state changes, what hosts announce.

    variable SPILLWAY_INSTALLATION  the name of this installation in the table of counts (default: local)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from plugins.connections import engine, kafka
from plugins.connections.host_folders import state_folder

if TYPE_CHECKING:
    from include.common.emit import Emit
    from include.common.stage_ledger import StageLedger
    from include.measurements.collect.announcements import Announcements


def ledger() -> StageLedger:
    """The ledger beside the state folders."""
    from include.common.stage_ledger import StageLedger

    return StageLedger(state_folder(), os.environ.get("SPILLWAY_INSTALLATION", "local"))


def events(source: str) -> Emit:
    """State changes onto this host's spool, each to the stream of its type."""
    from include.common.spool_events import spool_events

    return spool_events(engine.spool_client().append, source)


def announcements() -> Announcements:
    """From Kafka; opened only for hosts that announce."""
    from include.measurements.collect.kafka_announcements import KafkaAnnouncements
    from include.measurements.events import ANNOUNCEMENTS

    return KafkaAnnouncements(kafka.client_settings(), engine.settings().stream(ANNOUNCEMENTS).topic)
