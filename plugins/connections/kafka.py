"""
Kafka.

    connection kafka_spool  extra = client settings, at least bootstrap.servers
"""

from __future__ import annotations

from collections.abc import Mapping

from plugins.connections.airflow_connection import connection
from spool.errors import SettingsError

KAFKA_SPOOL = "kafka_spool"


def client_settings() -> Mapping[str, str]:
    """Client settings of Kafka, from the connection's extra."""
    extra = connection(KAFKA_SPOOL).extra_dejson
    if not extra.get("bootstrap.servers"):
        raise SettingsError(
            f"the connection {KAFKA_SPOOL} names no broker",
            hint='put {"bootstrap.servers": "host:port"} into its extra',
        )
    return {str(key): str(value) for key, value in extra.items()}
