"""
The warehouse of `config/warehouse.yml` and the sources that it copies.

    the connections that the file names     MariaDB; a read-only account is enough
    the connection of an Exasol target      by plugins/hooks/exasol_hook.py
    variable SPILLWAY_WAREHOUSE             the folder of a DuckDB warehouse, as the file has it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.connections.airflow_connection import connection

if TYPE_CHECKING:
    from include.common.emit import Emit
    from include.database.connection import Connect
    from include.warehouse.changes.server import ServerAddress
    from include.warehouse.config import ExasolTarget, WarehouseConfig
    from include.warehouse.datasync.drain import IdempotentAppend
    from include.warehouse.target.port import WarehouseTarget

SOURCE = "spillway/warehouse"


def config() -> WarehouseConfig:
    """SettingsError names file and key."""
    from include.warehouse import config as warehouse_config

    return warehouse_config.load()


def connect_to(name: str) -> Connect:
    """Opens a source by the provider's hook; SettingsError, at once, where the connection is not defined."""
    connection(name)

    def connect() -> Any:
        from airflow.providers.mysql.hooks.mysql import MySqlHook

        return MySqlHook(mysql_conn_id=name).get_conn()

    return connect


def address_of(name: str) -> ServerAddress:
    """Where the binary log of a source is read: the same connection; SettingsError where it is not defined."""
    from include.warehouse.changes.server import ServerAddress

    known = connection(name)
    socket = known.extra_dejson.get("unix_socket", "")
    return ServerAddress(known.host or "", known.port or 3306, known.login or "", known.password or "", socket)


def target(known: WarehouseConfig) -> WarehouseTarget:
    """The target of the file; close it when done."""
    from include.warehouse.open_target import open_target

    return open_target(known.target, exasol)


def exasol(settings: ExasolTarget) -> WarehouseTarget:
    """By Airflow's connection; SettingsError, at once, where it is not defined."""
    connection(settings.connection)
    from include.warehouse.target.exasol_options import DRIVER_OPTIONS
    from include.warehouse.target.exasol_target import ExasolTarget as Target
    from plugins.hooks.exasol_hook import ExasolHook

    hook = ExasolHook(settings.connection, driver=DRIVER_OPTIONS)
    return Target(hook.get_conn, schema=settings.schema)


def spool() -> IdempotentAppend:
    """Takes the changes of published tables, durable on this host's disk when it returns."""
    from plugins.connections import engine

    return engine.spool_client()


def events() -> Emit:
    """Events about snapshots, durable on this host's disk when it returns."""
    from include.common.spool_events import spool_events
    from plugins.connections import engine

    return spool_events(engine.spool_client().append, SOURCE)
