"""
MongoDB, with two accounts.

    connection mongo_import   may write; only import and restore ask for it
    connection mongo_read     may read only
"""

from __future__ import annotations

from typing import Any

from plugins.connections.airflow_connection import connection

MONGO_IMPORT, MONGO_READ = "mongo_import", "mongo_read"
DATABASE = "measurements"


def database(connection_id: str) -> Any:
    """The database of a connection, by the provider's hook, with bounded waits. Connects at the first call."""
    from airflow.providers.mongo.hooks.mongo import MongoHook

    from include.clients import mongo

    account = connection(connection_id)
    hook = MongoHook(mongo_conn_id=connection_id)
    hook.extras = {**mongo.OPTIONS, **hook.extras}
    return hook.get_conn()[account.schema or DATABASE]
