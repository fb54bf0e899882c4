"""
MariaDB.

    connection mariadb_app      the operational database; its tables are made by include/database
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.connections import engine
from plugins.connections.airflow_connection import connection

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from include.counts.table import StageCounts

MARIADB_APP = "mariadb_app"


def database() -> Engine:
    """The operational database; each transaction opens a connection by the provider's hook and closes it."""
    from include.database import connection as database_connection

    return database_connection.engine(_connect)


def counts_table() -> StageCounts:
    """The table of stage counts; what it changes is emitted through the outbox."""
    from include.counts.table import StageCounts

    return StageCounts(database(), engine.settings())


def _connect() -> Any:
    from airflow.providers.mysql.hooks.mysql import MySqlHook

    connection(MARIADB_APP)
    return MySqlHook(mysql_conn_id=MARIADB_APP).get_conn()
