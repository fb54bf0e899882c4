"""
Connections to the operational database, and what the server's errors mean to the engine's retry policy.

Every transaction is short and bounded: the driver's own time-outs are set where the connection is opened, and the
isolation level is READ COMMITTED, so that two drains or two counts do not wait for each other's gaps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlalchemy import Connection, Engine, create_engine, exc
from sqlalchemy.pool import NullPool

from include.database.errors import DatabaseRefused, DatabaseUnavailable, SchemaOutdated
from spool.errors import SettingsError, SpoolError

Connect = Callable[[], Any]
"""Opens a DB-API connection of mysqlclient: `connect_to`, `connect_with`, or the provider's hook."""

URI_VARIABLE = "SPILLWAY_DATABASE_URI"
URI_FORM = "mysql://user:password@host:3306/database"
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 120

# MariaDB error codes, https://mariadb.com/kb/en/mariadb-error-code-reference/, and the client's 2xxx.
_AWAY = frozenset({1040, 1053, 1077, 1203, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2055, 4031})
_MISSING = frozenset({1054, 1146})
UPGRADE_HINT = "run `python -m include.database upgrade` (make up does it)"


def engine(connect: Connect) -> Engine:
    """An engine whose connections `connect` opens; each speaks UTF-8 and is closed when its transaction ends."""

    def opened() -> Any:
        connection = connect()
        # A hook's connection has what the client library was built with.
        connection.set_character_set("utf8mb4")
        return connection

    return create_engine("mysql+mysqldb://", creator=opened, poolclass=NullPool, isolation_level="READ COMMITTED")


def database_from_environment() -> Engine:
    """The database of SPILLWAY_DATABASE_URI; SettingsError where that is not set or no such URL."""
    if not (url := os.environ.get(URI_VARIABLE, "")):
        raise SettingsError(f"{URI_VARIABLE} is not set", hint=URI_FORM)
    return engine(connect_to(url))


def connect_to(url: str, *, read_timeout_s: int = READ_TIMEOUT_S) -> Connect:
    """
    Connections to `mysql://user:password@host:port/database`; SettingsError for what is no such URL.

    With `?unix_socket=/path` behind it, the host and port are not used.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or 3306
    except ValueError:
        port = 0
    if parts.scheme != "mysql" or not parts.hostname or not parts.path.strip("/") or not port:
        # The text itself may hold a password.
        raise SettingsError("not the URL of a MariaDB", hint=URI_FORM)
    socket = {name: value for name, value in parse_qsl(parts.query) if name == "unix_socket"}
    names = {"user": parts.username or "", "password": parts.password or "", "database": parts.path.strip("/")}
    decoded = {name: unquote(value) for name, value in names.items()}
    return connect_with(host=parts.hostname, port=port, **decoded, **socket, read_timeout_s=read_timeout_s)


def connect_with(*, read_timeout_s: int = READ_TIMEOUT_S, **options: object) -> Connect:
    """
    Connections with these options of MySQLdb.connect, and with a limit on every wait.

    A server that is silent for `read_timeout_s` while an answer is due counts as away.
    """

    def connect() -> Any:
        import MySQLdb

        limits = {
            "connect_timeout": CONNECT_TIMEOUT_S, "read_timeout": read_timeout_s, "write_timeout": READ_TIMEOUT_S,
        }  # fmt: skip
        return MySQLdb.connect(**options, **limits, charset="utf8mb4")

    return connect


@contextmanager
def transaction(database: Engine) -> Iterator[Connection]:
    """One transaction: committed when the block ends, rolled back when it raises. Errors are ours."""
    with mapped_errors(), database.begin() as connection:
        yield connection


@contextmanager
def mapped_errors() -> Iterator[None]:
    """The driver's and SQLAlchemy's errors as DatabaseUnavailable, SchemaOutdated or DatabaseRefused."""
    try:
        yield
    except exc.DBAPIError as error:
        raise explained(error.orig or error) from error
    except exc.SQLAlchemyError as error:
        raise DatabaseRefused(f"{type(error).__name__}: {error}") from error
    except Exception as error:
        # The driver's own errors come from `connect`, which SQLAlchemy calls without wrapping what a hook raises.
        if type(error).__module__.partition(".")[0] in ("MySQLdb", "pymysql"):
            raise explained(error) from error
        raise


def explained(error: BaseException) -> SpoolError:
    """The error of the engine's tree for one of the driver's: (code, text) are its arguments."""
    code, text = (*error.args, "", "")[:2] if error.args else (0, str(error))
    message = f"MariaDB: {text} ({code})"
    if code in _AWAY:
        return DatabaseUnavailable(
            message, hint="is MariaDB running? A deadlock or a lock time-out goes away by itself"
        )
    if code in _MISSING:
        return SchemaOutdated(message, hint=UPGRADE_HINT)
    return DatabaseRefused(message, hint="docs/reference/connections.md says what mariadb_app needs")
