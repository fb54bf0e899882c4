"""
What the tasks share that move measurement reports: the stream of state changes, what hosts announce.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.connections import engine, kafka

if TYPE_CHECKING:
    from include.common.emit import Emit
    from include.measurements.collect.announcements import Announcements


def events(source: str) -> Emit:
    """State changes onto this host's spool, each to the stream of its type."""
    from include.common.spool_events import spool_events

    return spool_events(engine.spool_client().append, source)


def announcements() -> Announcements:
    """From Kafka; opened only for hosts that announce."""
    from include.measurements.collect.kafka_announcements import KafkaAnnouncements
    from include.measurements.events import ANNOUNCEMENTS

    return KafkaAnnouncements(kafka.client_settings(), engine.settings().stream(ANNOUNCEMENTS).topic)
