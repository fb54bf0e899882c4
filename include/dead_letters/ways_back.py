"""What a requeue of each feature's letters does. A feature whose letters can go back adds itself here."""

from __future__ import annotations

from collections.abc import Mapping

from include.dead_letters.sql_letters import WayBack
from include.outbox import refused_rows

WAYS_BACK: Mapping[str, WayBack] = {
    refused_rows.FEATURE: refused_rows.back_into_the_outbox,
}
