"""
MariaDB.

    connection mariadb_app      the operational database; its tables are made by include/database
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.connections import engine
from plugins.connections.airflow_connection import connection

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from include.counts.table import StageCounts

MARIADB_APP = "mariadb_app"
# Of the connection's extra, what the driver takes as it is.
_EXTRA = ("ssl", "ssl_mode", "unix_socket")


def database() -> Engine:
    """
    The operational database; each transaction opens a connection and closes it.

    Not by the provider's hook: it sets no time-outs, so a task would wait for a silent server until it is killed.
    """
    from include.database.connection import connect_with
    from include.database.connection import engine as database_engine

    known = connection(MARIADB_APP)
    options = {name: known.extra_dejson[name] for name in _EXTRA if name in known.extra_dejson}
    return database_engine(
        connect_with(
            host=known.host or "localhost",
            port=int(known.port or 3306),
            user=known.login or "",
            password=known.password or "",
            database=known.schema or "",
            **options,
        )
    )


def counts_table() -> StageCounts:
    """The table of stage counts; what it changes is emitted through the outbox."""
    from include.counts.table import StageCounts

    return StageCounts(database(), engine.settings())
