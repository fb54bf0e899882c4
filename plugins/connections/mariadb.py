"""
MariaDB.

    connection mariadb_app      the database with the table stage_counts
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.connections.airflow_connection import connection

if TYPE_CHECKING:
    from include.common.stage_counts import StageCounts

MARIADB_APP = "mariadb_app"


def counts_table() -> StageCounts:
    """The table of stage counts; connections are opened per call, by the provider's hook."""
    from include.common.stage_counts import StageCounts

    return StageCounts(_connect)


def _connect() -> Any:
    from airflow.providers.mysql.hooks.mysql import MySqlHook

    connection(MARIADB_APP)
    return MySqlHook(mysql_conn_id=MARIADB_APP).get_conn()
