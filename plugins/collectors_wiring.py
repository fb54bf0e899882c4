"""What the tasks of `collectors_sync` do: each function is one task, returns ids and counts, and may be run again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plugins import state_wiring, wiring
from plugins.spool_runs import known_only

if TYPE_CHECKING:
    from include.measurements.collect.announcements import Announcements

SOURCE = "spillway/collectors"


def hosts(params: Mapping[str, Any]) -> list[str]:
    """Ids of the hosts to sync: one, or all for an empty text. SettingsError names file and key, or the known ids."""
    from include.measurements.collect import config
    from spool.errors import SettingsError

    only = known_only(params, "host")["host"]
    known = config.load()
    if only and only not in known:
        raise SettingsError(f"unknown host {only!a}", hint=f"known are {', '.join(sorted(known))}")
    return [only] if only else sorted(known)


def sync_host(host: str) -> dict[str, Any]:
    """One sync of one host; see include/measurements/collect/pipeline.py."""
    from include.measurements.collect import composition, config

    with state_wiring.ledger() as ledger:
        summary = composition.sync_one(
            config.load()[host], state_wiring.state_folder(), ledger, state_wiring.events(SOURCE), announcements
        )
    return {**dataclasses.asdict(summary), "batches": len(summary.batches)}


def announcements() -> Announcements:
    """From Kafka; opened only for hosts that announce."""
    from include.measurements.collect.announcements import STREAM
    from include.measurements.collect.kafka_announcements import KafkaAnnouncements

    return KafkaAnnouncements(wiring.kafka(), wiring.settings().stream(STREAM).topic)
